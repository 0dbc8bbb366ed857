// The library's own in-memory adapter forgets the oldest of a thousand entries, which a stress test would take for
// revoked tokens; and Logto's leeway for used refresh tokens lives here.
export function createStore(reuseGrace) {
  const models = new Map();

  return class Store {
    constructor(model) {
      this.model = model;
      if (!models.has(model)) models.set(model, new Map());
      this.entries = models.get(model);
    }

    async upsert(id, payload) {
      this.entries.set(id, { ...payload });
    }

    async find(id) {
      const payload = this.entries.get(id);
      if (!payload) return undefined;
      const found = { ...payload };
      if (this.model === 'RefreshToken' && Date.now() / 1000 - found.consumed < reuseGrace) delete found.consumed;
      return found;
    }

    async findByUid(uid) {
      return this.#findWhere((payload) => payload.uid === uid);
    }

    async findByUserCode(userCode) {
      return this.#findWhere((payload) => payload.userCode === userCode);
    }

    async consume(id) {
      const payload = this.entries.get(id);
      if (payload) payload.consumed = Date.now() / 1000;
    }

    async destroy(id) {
      this.entries.delete(id);
    }

    async revokeByGrantId(grantId) {
      for (const [id, payload] of this.entries) {
        if (payload.grantId === grantId) this.entries.delete(id);
      }
    }

    #findWhere(matches) {
      for (const payload of this.entries.values()) {
        if (matches(payload)) return { ...payload };
      }
      return undefined;
    }
  };
}
