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
    const { data, error } = await authClient.token();
    if (error?.status === 401) throw new SessionEnded();
    if (!data?.token) throw new NoToken(error?.message ?? "no token");
    const { sub, iat, exp } = claims(data.token);
    // Somebody else signed in, in another tab.
    if (sub !== this.userId) throw new SessionEnded();
    // By how long it lives rather than by when it ends: this machine's clock may be wrong.
    return { text: data.token, refreshAt: asked + Math.max((exp - iat) * 1000 - MARGIN_MS, 1000) };
  }
}

function claims(token: string): { sub: string; iat: number; exp: number } {
  const payload = token.split(".")[1] ?? "";
  const bytes = Uint8Array.from(atob(payload.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}
