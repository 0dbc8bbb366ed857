import { errors } from 'oidc-provider';

import { accountBySub, claims } from './accounts.mjs';
import { clients } from './clients.mjs';
import { page } from './pages.mjs';

const ORGANIZATIONS = 'urn:logto:resource:organizations';
const ORGANIZATION_SCOPE = 'urn:logto:scope:organizations';
const RESOURCES = {
  'https://api.example.test': ['read:items', 'write:items'],
  [ORGANIZATIONS]: ['org:read', 'org:write'],
};
const DAY = 24 * 60 * 60;

const CLAIMS = {
  openid: ['sub'],
  profile: [
    'name', 'family_name', 'given_name', 'middle_name', 'nickname', 'preferred_username', 'profile', 'picture',
    'website', 'gender', 'birthdate', 'zoneinfo', 'locale', 'updated_at', 'username', 'created_at',
  ],
  email: ['email', 'email_verified'],
  phone: ['phone_number', 'phone_number_verified'],
  address: ['address'],
  custom_data: ['custom_data'],
  identities: ['identities', 'sso_identities'],
  roles: ['roles'],
  [ORGANIZATION_SCOPE]: ['organizations', 'organization_data'],
  'urn:logto:scope:organization_roles': ['organization_roles'],
};

export function configuration({ Adapter, keys, alg, ttl = {}, clients: additions }) {
  const accessToken = ttl.access_token ?? 3600;

  return {
    adapter: Adapter,
    jwks: { keys },
    clients: clients(additions),
    clientDefaults: { id_token_signed_response_alg: alg },
    enabledJWA: { idTokenSigningAlgValues: ['PS256', 'RS256', 'ES256', 'ES384', 'ES512'] },
    scopes: ['openid', 'offline_access', ...Object.keys(CLAIMS).filter((scope) => scope !== 'openid')],
    claims: CLAIMS,
    conformIdTokenClaims: false,
    findAccount,
    responseTypes: ['code id_token', 'code', 'id_token', 'none'],
    allowOmittingSingleRegisteredRedirectUri: false,
    cookies: { keys: ['only for tests'] },
    interactions: {
      url: (_ctx, { uid, prompt }) => `/${prompt.name === 'login' ? 'sign-in' : 'consent'}/${uid}`,
    },
    extraTokenClaims: (ctx, token) => {
      const organization = organizationOf(ctx);
      return organization && token.resourceServer?.identifier() !== ORGANIZATIONS
        ? { organization_id: organization }
        : undefined;
    },
    formats: {
      customizers: {
        // A user's token without any scope has an empty one at Logto, where the library leaves the claim out.
        jwt: (_ctx, token, jwt) => {
          if (token.kind === 'AccessToken') jwt.payload.scope ??= '';
        },
      },
    },
    rotateRefreshToken: ({ oidc: { client, entities } }) =>
      client.clientAuthMethod === 'none' || entities.RefreshToken.ttlPercentagePassed() >= 70,
    ttl: {
      AccessToken: accessToken,
      ClientCredentials: accessToken,
      IdToken: ttl.id_token ?? 3600,
      RefreshToken: ttl.refresh_token ?? 14 * DAY,
      AuthorizationCode: 60,
      DeviceCode: 600,
      Interaction: 3600,
      Session: 14 * DAY,
      Grant: 180 * DAY,
    },
    features: {
      devInteractions: { enabled: false },
      dPoP: { enabled: false },
      backchannelLogout: { enabled: true },
      clientCredentials: { enabled: true },
      deviceFlow: {
        enabled: true,
        userCodeInputSource: (ctx, form) => html(ctx, 'Device', form),
        userCodeConfirmSource: (ctx, form) => html(ctx, 'Confirm the device', form),
        successSource: (ctx) => html(ctx, 'Signed in', '<p>The device is signed in.</p>'),
      },
      introspection: { enabled: true },
      resourceIndicators: {
        enabled: true,
        // Several resources at once resolve to none of them, and so to an opaque token.
        defaultResource: () => undefined,
        getResourceServerInfo,
      },
      revocation: {
        enabled: true,
        allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId,
      },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (ctx, form) =>
          html(ctx, 'Sign out', form.replace('</form>', '<button name="logout" value="yes">Sign out</button></form>')),
        postLogoutSuccessSource: (ctx) => html(ctx, 'Signed out', '<p>You are signed out.</p>'),
      },
    },
    // Without the library's dispatcher, which refuses loopback addresses: a test listens there for back-channel logout.
    fetch: (url, { dispatcher: _, ...options }) => fetch(url, options),
    // Errors are JSON at Logto also where a browser sees them.
    renderError: (ctx, out) => {
      ctx.body = out;
    },
  };
}

/** What Logto's answers have beside the library's. */
export function logtoErrors(provider) {
  provider.use(async (ctx, next) => {
    await next();
    if (ctx.path === '/jwks') ctx.set('cache-control', 'no-cache, max-age=0, must-revalidate');
    const error = ctx.type === 'application/json' && ctx.body?.error;
    if (error && ctx.query.parse_error !== 'false') {
      ctx.body = { code: `oidc.${error}`, message: `${error.replaceAll('_', ' ')}.`, ...ctx.body };
    }
  });

  for (const event of ['grant.error', 'introspection.error', 'revocation.error']) {
    provider.on(event, (ctx, error) => {
      if (error.error_detail === 'client not found') ctx.status = 400;
    });
  }
}

function html(ctx, title, content) {
  ctx.type = 'html';
  ctx.body = page(title, content);
}

async function findAccount(ctx, sub, token) {
  const account = accountBySub(sub);
  if (!account) return undefined;

  const organization = organizationOf(ctx);
  if (organization && token?.kind === 'RefreshToken') requireMembership(ctx, account, organization, token);

  return {
    accountId: sub,
    permissions: account.permissions,
    claims: (use) => claims(account, use),
  };
}

/**
 * Refreshing with `organization_id` is Logto's own: the library knows only resources. So the organization is asked for as
 * the resource of all organizations, whose audience then names the one.
 */
function requireMembership(ctx, account, organization, token) {
  if (!token.scopes.has(ORGANIZATION_SCOPE)) {
    throw new errors.InsufficientScope('refresh token missing required scope', ORGANIZATION_SCOPE);
  }
  if (!account.claims.organizations.includes(organization)) {
    const denied = new errors.CustomOIDCProviderError('access_denied', 'user is not a member of the organization');
    denied.status = denied.statusCode = 403;
    throw denied;
  }
  if (!ctx.oidc.params.resource) {
    ctx.oidc.params.resource = ORGANIZATIONS;
    token.resource = [...new Set([token.resource ?? []].flat().concat(ORGANIZATIONS))];
  }
}

function getResourceServerInfo(ctx, resource) {
  const scopes = RESOURCES[resource];
  if (!scopes) throw new errors.InvalidTarget();

  const permissions = ctx.oidc.entities.Account?.permissions;
  const organization = organizationOf(ctx);
  return {
    scope: scopes.filter((scope) => permissions?.includes(scope) ?? true).join(' '),
    audience: organization && resource === ORGANIZATIONS ? `urn:logto:organization:${organization}` : resource,
    accessTokenFormat: 'jwt',
  };
}

function organizationOf(ctx) {
  const { grant_type: grantType, organization_id: organization } = ctx.oidc.body ?? {};
  return grantType === 'refresh_token' ? organization : undefined;
}
