import { accountByName } from './accounts.mjs';

const BUTTONS = '<button>Continue</button> <button name="cancel" value="yes">Cancel</button>';
const CREDENTIALS = `<label>Username <input name="username"></label>
  <label>Password <input name="password" type="password"></label>`;

export const page = (title, content) => `<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title></head>
<body><h1>${title}</h1>
${content}
</body>
</html>
`;

/** The sign-in and the consent page: a form each, sent to its own address. */
export async function interact(provider, req, res) {
  let interaction;
  try {
    interaction = await provider.interactionDetails(req, res);
  } catch (error) {
    return send(res, 400, page('Session not found', `<p>${error.error_description}</p>`));
  }

  const signIn = interaction.prompt.name === 'login';
  const form = (note) => page(
    signIn ? 'Sign in' : 'Consent',
    `${note}<form method="post">${signIn ? CREDENTIALS : ''}${BUTTONS}</form>`,
  );
  if (req.method !== 'POST') return send(res, 200, form(''));

  const fields = await readForm(req);
  let result;
  if (fields.has('cancel')) {
    result = { error: 'access_denied', error_description: 'End-User aborted interaction' };
  } else if (signIn) {
    const account = accountByName(fields.get('username'));
    if (!account) return send(res, 422, form('<p>Incorrect account or password.</p>'));
    result = { login: { accountId: account.sub } };
  } else {
    result = { consent: { grantId: await grant(provider, interaction) } };
  }
  return provider.interactionFinished(req, res, result);
}

export async function readForm(req) {
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  return new URLSearchParams(Buffer.concat(chunks).toString());
}

async function grant(provider, { grantId, session, params, prompt: { details } }) {
  const granted = grantId
    ? await provider.Grant.find(grantId)
    : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });

  if (details.missingOIDCScope) granted.addOIDCScope(details.missingOIDCScope.join(' '));
  if (details.missingOIDCClaims) granted.addOIDCClaims(details.missingOIDCClaims);
  for (const [resource, scopes] of Object.entries(details.missingResourceScopes ?? {})) {
    granted.addResourceScope(resource, scopes.join(' '));
  }
  return granted.save();
}

function send(res, status, body) {
  res.writeHead(status, { 'content-type': 'text/html; charset=utf-8' }).end(body);
}
