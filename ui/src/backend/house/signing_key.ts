/** An Ed25519 key that is gone with the page: the browser's own where it has it, otherwise computed here. */

export type SigningKey = {
  publicKey: Uint8Array;
  sign(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array>;
};

/** Browsers keep their cryptography from pages that came over plain HTTP, and older ones know no Ed25519. */
export async function newSigningKey(): Promise<SigningKey> {
  try {
    return await newBrowserKey();
  } catch {
    return newComputedKey();
  }
}

async function newBrowserKey(): Promise<SigningKey> {
  const { publicKey, privateKey } = (await crypto.subtle.generateKey('Ed25519', false, ['sign', 'verify'])) as CryptoKeyPair;
  return {
    publicKey: new Uint8Array(await crypto.subtle.exportKey('raw', publicKey)),
    sign: async (bytes) => new Uint8Array(await crypto.subtle.sign('Ed25519', privateKey, bytes)),
  };
}

async function newComputedKey(): Promise<SigningKey> {
  const { ed25519 } = await import('@noble/curves/ed25519.js');
  const { secretKey, publicKey } = ed25519.keygen();
  return { publicKey, sign: async (bytes) => ed25519.sign(bytes, secretKey) };
}
