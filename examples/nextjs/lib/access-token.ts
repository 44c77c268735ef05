/** The access tokens of a session, kept in memory until shortly before they expire. */

import { authClient } from "./auth-client";

/** There is no session any more, or it is somebody else's. */
export class SessionEnded extends Error {
  override name = "SessionEnded";
}

/** Better Auth did not answer. */
export class NoToken extends Error {
  override name = "NoToken";
}

interface Token {
  text: string;
  /** In milliseconds since 1970, by this machine's clock. */
  refreshAt: number;
}

/** A token is replaced this long before it expires. */
const MARGIN_MS = 30_000;

/** How long an answer may take. */
export const TIMEOUT_MS = 15_000;

export class AccessTokens {
  #current: Promise<Token> | undefined;

  constructor(private readonly userId: string) {}

  /** A token that is good for the next seconds. Calls at the same time share one request. */
  async get(): Promise<string> {
    const current = (this.#current ??= this.#fetch());
    try {
      const { text, refreshAt } = await current;
      if (Date.now() < refreshAt) return text;
    } catch (error) {
      if (this.#current === current) this.#current = undefined;
      throw error;
    }
    if (this.#current === current) this.#current = undefined;
    return this.get();
  }

  /** Forgets the token, because the API did not accept it. */
  discard(): void {
    this.#current = undefined;
  }

  async #fetch(): Promise<Token> {
    const asked = Date.now();
    const { data, error } = await withTimeout(authClient.token());
    if (error?.status === 401) {
      // Better Auth answers 401 also when it cannot reach its database; this one tells the two apart.
      const session = await withTimeout(authClient.getSession());
      if (!session.error && !session.data) throw new SessionEnded();
      throw new NoToken("The session cannot be read now.");
    }
    if (!data?.token) throw new NoToken(error?.message ?? "There is no access token.");
    const { sub, iat, exp } = claims(data.token);
    // Somebody else signed in, in another tab.
    if (sub !== this.userId) throw new SessionEnded();
    // By how long it lives rather than by when it ends: this machine's clock may be wrong.
    return { text: data.token, refreshAt: asked + Math.max((exp - iat) * 1000 - MARGIN_MS, 1000) };
  }
}

/** A connection that says nothing must not hold up everything that waits for the token. */
function withTimeout<T>(answer: Promise<T>): Promise<T> {
  const failed = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new NoToken("There is no answer.")), TIMEOUT_MS);
  });
  return Promise.race([answer, failed]);
}

function claims(token: string): { sub: string; iat: number; exp: number } {
  const payload = token.split(".")[1] ?? "";
  const bytes = Uint8Array.from(atob(payload.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}
