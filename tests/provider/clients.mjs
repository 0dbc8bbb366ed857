const REFRESHABLE = ['authorization_code', 'refresh_token'];

const defaults = [
  {
    client_id: 'web-app',
    // Every character here changes when it is form-encoded, as credentials of HTTP Basic have to be.
    client_secret: 'web-secret:with/odd+chars %&=',
    grant_types: REFRESHABLE,
    redirect_uris: ['http://localhost:3000/callback', 'http://127.0.0.1:3000/callback'],
    post_logout_redirect_uris: ['http://localhost:3000/', 'http://127.0.0.1:3000/'],
  },
  {
    client_id: 'native-app',
    application_type: 'native',
    token_endpoint_auth_method: 'none',
    grant_types: REFRESHABLE,
    redirect_uris: ['http://127.0.0.1:8765/callback', 'io.logto.test://callback'],
    post_logout_redirect_uris: ['http://127.0.0.1:8765/', 'io.logto.test://signed-out'],
  },
  {
    client_id: 'device-app',
    application_type: 'native',
    token_endpoint_auth_method: 'none',
    grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
    response_types: [],
    redirect_uris: [],
  },
  {
    client_id: 'm2m-app',
    client_secret: 'm2m-secret',
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
  },
];

/** The clients, with what a test adds: its lists are appended, its other members replace ours. */
export function clients(additions = {}) {
  return defaults.map((client) => {
    const merged = { ...client };
    for (const [name, value] of Object.entries(additions[client.client_id] ?? {})) {
      merged[name] = Array.isArray(value) ? [...(merged[name] ?? []), ...value] : value;
    }
    return merged;
  });
}
