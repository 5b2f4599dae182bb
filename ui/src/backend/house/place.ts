/** Where the house behind this page is: at the page's own address, or behind a gate, under a path of it. */

/** `/h/KEY`, where a gate's houses are, each under its key (base64url of 32 bytes). */
const AT_A_GATE = /^\/h\/([\w-]{43})(?=\/|$)/;
const ROOM = /^\/r\/(\w+)/;

export type HousePlace = {
  /** What every address of the house begins with, without a slash at its end. */
  http: string;
  /** The same for WebSockets. */
  ws: string;
  /** The address of the page's server, with its port. */
  host: string;
  /** The house's key, if that server is a gate. */
  key: string | null;
  /** The room that the address of the page names. */
  room: string | null;
};

export function placeOf(at: Pick<Location, 'protocol' | 'host' | 'port' | 'pathname' | 'search'>): HousePlace {
  const [beginning = '', key = null] = AT_A_GATE.exec(at.pathname) ?? [];
  const secure = at.protocol === 'https:';
  const room = ROOM.exec(at.pathname.slice(beginning.length))?.[1] ?? new URLSearchParams(at.search).get('room');
  return {
    http: `${at.protocol}//${at.host}${beginning}`,
    ws: `${secure ? 'wss' : 'ws'}://${at.host}${beginning}`,
    host: at.port ? at.host : `${at.host}:${secure ? 443 : 80}`,
    key,
    room,
  };
}
