/** How far a link reaches, as far as its addresses tell: nobody was asked, so no promise is made. */

export type Reach = 'thisComputer' | 'thisNetwork' | 'further';

const WIDTH: readonly Reach[] = ['thisComputer', 'thisNetwork', 'further'];

/** Addresses that mean another computer in every network (RFC 1918, 3927, 4193, 4291, 6598), and names of this one. */
const PRIVATE =
  /^(10|192\.168|172\.(1[6-9]|2\d|3[01])|169\.254|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\.|^f[cd]|^fe[89ab]|\.local$/;
/** From here a house answers plain HTTP: RFC 1918, 3927, 4193. */
const PLAIN_HTTP = /^(10|192\.168|172\.(1[6-9]|2\d|3[01])|169\.254)(\.\d+)+$|^f[cd][0-9a-f]*:/;
const LOOPBACK = /^127\.|^::1$|^localhost$/;

/** The furthest that one of its addresses reaches; `via` names further ones of the same house. */
export function reachOf(link: string): Reach {
  const [, first = '', query = ''] = /^serambi:\/\/([^/?]+)[^?]*\??(.*)$/.exec(link) ?? [];
  const addresses = [first, ...new URLSearchParams(query).getAll('via')];
  const reaches = addresses.map((address) => WIDTH.indexOf(reachOfHost(hostOf(address))));
  return WIDTH[Math.max(...reaches)] ?? 'further';
}

/**
 * Where the same room opens in a browser; null for the house itself. Within a private network without TLS: browsers trust
 * no house's own certificate, and listening needs none.
 */
export function pageOf(link: string): string | null {
  const [, authority = '', room = ''] = /^serambi:\/\/([^/?]+)(\/r\/\w+)/.exec(link) ?? [];
  if (room === '') return null;
  const host = hostOf(authority);
  const scheme = PLAIN_HTTP.test(host) || LOOPBACK.test(host) ? 'http' : 'https';
  return `${scheme}://${authority}${room}`;
}

/** The TCP port of the house; null where the link names none. */
export function portOf(link: string): string | null {
  return /^serambi:\/\/[^/?]*:(\d+)(?=[/?]|$)/.exec(link)?.[1] ?? null;
}

function hostOf(address: string): string {
  return (/^\[([^\]]*)\]/.exec(address)?.[1] ?? address.replace(/:\d+$/, '')).toLowerCase();
}

function reachOfHost(host: string): Reach {
  if (LOOPBACK.test(host)) return 'thisComputer';
  return PRIVATE.test(host) && (host.includes('.') || host.includes(':')) ? 'thisNetwork' : 'further';
}
