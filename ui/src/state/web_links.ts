/** Links to the web inside a line of text: only http and https, and always under the host that they lead to. */

/** `href` is what is opened; `host` and `rest` are shown: nobody reads a name that the link does not lead to. */
export type WebLink = { href: string; host: string; rest: string };
export type Piece = string | WebLink;

const ADDRESS = /https?:\/\/[^\s<>"'`]+/gi;
/** What ends a sentence or a bracket belongs to the sentence. */
const AFTER = /[.,;:!?)\]}。，；：！？）】》]+$/u;

/** The line in its order, texts and links. */
export function piecesOf(line: string): Piece[] {
  const pieces: Piece[] = [];
  let done = 0;
  for (const { 0: found, index } of line.matchAll(ADDRESS)) {
    const address = found.replace(AFTER, '');
    const link = readLink(address);
    if (!link) continue;
    if (index > done) pieces.push(line.slice(done, index));
    pieces.push(link);
    done = index + address.length;
  }
  if (done < line.length) pieces.push(line.slice(done));
  return pieces;
}

/** Without name and password, which could read like a host; a host in other letters is shown as it is asked for. */
function readLink(address: string): WebLink | null {
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    return null;
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return null;
  [url.username, url.password] = ['', ''];
  const rest = url.pathname + url.search + url.hash;
  return { href: url.href, host: url.host, rest: rest === '/' ? '' : rest };
}
