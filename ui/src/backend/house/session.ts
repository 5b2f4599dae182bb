/** A visit to the house that served this page: HTTP under a throw-away Ed25519 key, signed in when it is needed. */
import type { Answer, Code, PersonId, Refusal, Result } from '../backend';
import { newSigningKey, type SigningKey } from './signing_key';

/** An answer that takes longer will not come. */
const ANSWER_LIMIT_MS = 8_000;
/** Pauses before a request is sent once more that did not reach the house. */
const SEND_AGAIN_MS = [200, 800];
/** Whatever a house of another version says instead of a refusal. */
const NO_REFUSAL: Refusal = { code: 'internal', detail: 'the answer cannot be read' };

type Challenge = { challenge: string; pin: string };
type Method = 'GET' | 'POST';

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
    const signedIn = await this.#signInOnce(name);
    // An answer that was lost on its way has used the challenge up.
    return signedIn.status === 'error' && signedIn.error.code === 'challenge_expired' ? this.#signInOnce(name) : signedIn;
  }

  async #signInOnce(name: string): Answer {
    const asked = await this.#fetchAgain<Challenge>('POST', '/challenge', { person: this.person }, null);
    if (asked.status === 'error') return asked;
    const { challenge, pin } = asked.data;
    // A browser cannot see the certificate: it checked it itself, or the page came over loopback.
    const text = new TextEncoder().encode(`serambi sign-in 1\n${pin}\n${challenge}\n`);
    const signature = base64url(await this.#key.sign(text));
    const body = { person: this.person, challenge, signature, name };
    const session = await this.#fetchAgain<{ session: string }>('POST', '/session', body, null);
    if (session.status === 'error') return session;
    this.#name = name;
    this.#secret = session.data.session;
    return { status: 'ok', data: null };
  }

  /** Anybody may ask this. */
  look<T>(path: string): Answer<T> {
    return this.#fetchAgain('GET', path, undefined, null);
  }

  /** Asks as oneself; a session that the house has forgotten is made anew once. */
  ask<T>(path: string, body: unknown): Answer<T> {
    return this.#asOneself((secret) => this.#fetch<T>('POST', path, body, secret));
  }

  /** The same for what may be asked twice without being done twice. */
  askAgain<T>(path: string, body: unknown): Answer<T> {
    return this.#asOneself((secret) => this.#fetchAgain<T>('POST', path, body, secret));
  }

  /** Looks at what is not for everybody. */
  lookAsOneself<T>(path: string): Answer<T> {
    return this.#asOneself((secret) => this.#fetchAgain<T>('GET', path, undefined, secret));
  }

  async #asOneself<T>(ask: (secret: string | null) => Answer<T>): Answer<T> {
    const secret = this.#secret;
    if (secret !== null) {
      const result = await ask(secret);
      if (result.status === 'ok' || result.error.code !== 'session_expired') return result;
    }
    // Several requests that find the session gone sign in together.
    this.#signingIn ??= this.signIn(this.#name).finally(() => (this.#signingIn = null));
    const signedIn = this.#secret === secret ? await this.#signingIn : null;
    return signedIn?.status === 'error' ? signedIn : ask(this.#secret);
  }

  /** Says a last thing while the page goes: nobody waits for the answer. */
  sayLast(path: string, body: unknown): void {
    if (this.#secret === null) return;
    const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${this.#secret}` };
    void fetch(`${this.#origin}/api/v1${path}`, { method: 'POST', headers, body: JSON.stringify(body), keepalive: true }).catch(() => {});
  }

  /** A browser ends what it is loading when its network changes; a house that took too long is not asked again. */
  async #fetchAgain<T>(method: Method, path: string, body: unknown, secret: string | null): Promise<Result<T>> {
    for (const pauseMs of SEND_AGAIN_MS) {
      try {
        return await this.#send<T>(method, path, body, secret);
      } catch (error) {
        if (isTooLate(error)) return refused('house_unreachable', String(error));
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
    return this.#fetch(method, path, body, secret);
  }

  async #fetch<T>(method: Method, path: string, body: unknown, secret: string | null): Promise<Result<T>> {
    try {
      return await this.#send<T>(method, path, body, secret);
    } catch (error) {
      return refused('house_unreachable', String(error));
    }
  }

  /** Rejects when no answer came. */
  async #send<T>(method: Method, path: string, body: unknown, secret: string | null): Promise<Result<T>> {
    const headers: Record<string, string> = { 'Content-Type': 'application/json' };
    if (secret !== null) headers['Authorization'] = `Bearer ${secret}`;
    const signal = AbortSignal.timeout(ANSWER_LIMIT_MS);
    const response = await fetch(`${this.#origin}/api/v1${path}`, { method, headers, body: JSON.stringify(body) ?? null, signal });
    const answer = (await response.json().catch(() => null)) as unknown;
    if (response.ok) return { status: 'ok', data: answer as T };
    return { status: 'error', error: isRefusal(answer) ? answer : NO_REFUSAL };
  }
}

export function refused(code: Code, detail: string): { status: 'error'; error: Refusal } {
  return { status: 'error', error: { code, detail } };
}

function isTooLate(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'TimeoutError';
}

function isRefusal(answer: unknown): answer is Refusal {
  return typeof answer === 'object' && answer !== null && 'code' in answer && 'detail' in answer;
}

function base64url(bytes: Uint8Array): string {
  const text = btoa(String.fromCharCode(...bytes));
  return text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
