const suspended = new Set();

const accounts = [
  {
    sub: 'alice0000001',
    username: 'alice',
    claims: {
      name: 'Alice Example',
      family_name: 'Example',
      given_name: 'Alice',
      nickname: 'al',
      preferred_username: 'alice',
      picture: 'https://cdn.example.test/alice.png',
      website: 'https://alice.example.test',
      birthdate: '1990-01-02',
      zoneinfo: 'Europe/Paris',
      locale: 'fr-FR',
      email: 'alice@example.test',
      email_verified: true,
      phone_number: '15551234567',
      phone_number_verified: true,
      address: { country: 'FR', formatted: '1 rue X, Paris' },
      custom_data: { n: 1, team: 'blue' },
      roles: ['item-user'],
      organizations: ['org1'],
      organization_data: [{ id: 'org1', name: 'Acme', description: 'An organization' }],
      organization_roles: ['org1:editor'],
    },
    permissions: ['read:items', 'write:items', 'org:read', 'org:write'],
  },
  {
    sub: 'bob000000002',
    username: 'bob',
    claims: {
      name: null,
      preferred_username: 'bob',
      picture: null,
      email: null,
      email_verified: false,
      custom_data: {},
      roles: [],
      organizations: [],
      organization_data: [],
      organization_roles: [],
    },
    permissions: [],
  },
];

// Logto keeps these out of ID tokens, whatever the scope.
const USERINFO_ONLY = ['custom_data', 'identities', 'sso_identities', 'organization_data'];

export const accountByName = (username) => accounts.find((account) => account.username === username);

export const accountBySub = (sub) => accounts.find((account) => account.sub === sub && !suspended.has(account.username));

export function suspend(username, yes) {
  if (yes) suspended.add(username);
  else suspended.delete(username);
}

export function claims(account, use) {
  const all = {
    sub: account.sub,
    username: account.username,
    updated_at: 1795433324917,
    created_at: 1795433129793,
    identities: {},
    sso_identities: [],
    ...account.claims,
  };
  if (use === 'id_token') USERINFO_ONLY.forEach((name) => delete all[name]);
  return all;
}
