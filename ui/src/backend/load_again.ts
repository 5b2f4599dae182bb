/**
 * A part of the page that is loaded when it is needed, once more until it is there: a browser ends what it is loading
 * when its network changes. Firefox answers from the first failure until the page is loaded anew, Chromium asks again
 * (https://github.com/whatwg/html/issues/6768).
 */

const TRY_AGAIN_MS = [250, 500, 1_000, 2_000, 4_000];

/** Rejects with the last failure. */
export async function loadAgain<T>(load: () => Promise<T>): Promise<T> {
  for (const pauseMs of TRY_AGAIN_MS) {
    try {
      return await load();
    } catch (error) {
      console.debug('a part of the page did not load', error);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
  return load();
}
