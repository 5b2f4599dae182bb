/** A visit to the house that served this page: HTTP under a throw-away Ed25519 key, signed in when it is needed. */
import type { Answer, Code, PersonId, Refusal, Result } from '../backend';
import { newSigningKey, type SigningKey } from './signing_key';

/** An answer that takes longer will not come. */
const ANSWER_LIMIT_MS = 8_000;
/** Whatever a house of another version says instead of a refusal. */
const NO_REFUSAL: Refusal = { code: 'internal', detail: 'the answer cannot be read' };

type Challenge = { challenge: string; pin: string };

export class HouseSession {
  readonly person: PersonId;
  #name = '';
  #secret: string | null = null;
  #signingIn: Answer | null = null;
  readonly #origin: string;
  readonly #key: SigningKey;

  private constructor(origin: string, key: SigningKey) {
    this.#origin = origin;
    this.person = base64url(key.publicKey);
    this.#key = key;
  }

  /** Nobody else has this key, and it is gone with the page. */
  static async make(origin: string): Promise<HouseSession> {
    return new HouseSession(origin, await newSigningKey());
  }

  /** The key of the session, for the channel; null before signing in. */
  get secret(): string | null {
    return this.#secret;
  }

  /** Signs in under this name. Refused: the name and the session are as they were. */
  async signIn(name: string): Answer {
    const asked = await this.#fetch<Challenge>('POST', '/challenge', { person: this.person }, null);
    if (asked.status === 'error') return asked;
    const { challenge, pin } = asked.data;
    // A browser cannot see the certificate: it checked it itself, or the page came over loopback.
    const text = new TextEncoder().encode(`serambi sign-in 1\n${pin}\n${challenge}\n`);
    const signature = base64url(await this.#key.sign(text));
    const body = { person: this.person, challenge, signature, name };
    const session = await this.#fetch<{ session: string }>('POST', '/session', body, null);
    if (session.status === 'error') return session;
    this.#name = name;
    this.#secret = session.data.session;
    return { status: 'ok', data: null };
  }

  /** Anybody may ask this. */
  look<T>(path: string): Answer<T> {
    return this.#fetch('GET', path, undefined, null);
  }

  /** Asks as oneself; a session that the house has forgotten is made anew once. */
  ask<T>(path: string, body: unknown): Answer<T> {
    return this.#askAs<T>('POST', path, body);
  }

  /** Looks at what is not for everybody. */
  lookAsOneself<T>(path: string): Answer<T> {
    return this.#askAs<T>('GET', path, undefined);
  }

  async #askAs<T>(method: string, path: string, body: unknown): Answer<T> {
    const secret = this.#secret;
    if (secret !== null) {
      const result = await this.#fetch<T>(method, path, body, secret);
      if (result.status === 'ok' || result.error.code !== 'session_expired') return result;
    }
    // Several requests that find the session gone sign in together.
    this.#signingIn ??= this.signIn(this.#name).finally(() => (this.#signingIn = null));
    const signedIn = this.#secret === secret ? await this.#signingIn : null;
    return signedIn?.status === 'error' ? signedIn : this.#fetch(method, path, body, this.#secret);
  }

  /** Says a last thing while the page goes: nobody waits for the answer. */
  sayLast(path: string, body: unknown): void {
    if (this.#secret === null) return;
    const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${this.#secret}` };
    void fetch(`${this.#origin}/api/v1${path}`, { method: 'POST', headers, body: JSON.stringify(body), keepalive: true }).catch(() => {});
  }

  async #fetch<T>(method: string, path: string, body: unknown, secret: string | null): Promise<Result<T>> {
    const headers: Record<string, string> = { 'Content-Type': 'application/json' };
    if (secret !== null) headers['Authorization'] = `Bearer ${secret}`;
    let response: Response;
    try {
      const signal = AbortSignal.timeout(ANSWER_LIMIT_MS);
      response = await fetch(`${this.#origin}/api/v1${path}`, { method, headers, body: JSON.stringify(body) ?? null, signal });
    } catch (error) {
      return refused('house_unreachable', String(error));
    }
    const answer = (await response.json().catch(() => null)) as unknown;
    if (response.ok) return { status: 'ok', data: answer as T };
    return { status: 'error', error: isRefusal(answer) ? answer : NO_REFUSAL };
  }
}

export function refused(code: Code, detail: string): { status: 'error'; error: Refusal } {
  return { status: 'error', error: { code, detail } };
}

function isRefusal(answer: unknown): answer is Refusal {
  return typeof answer === 'object' && answer !== null && 'code' in answer && 'detail' in answer;
}

function base64url(bytes: Uint8Array): string {
  const text = btoa(String.fromCharCode(...bytes));
  return text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
