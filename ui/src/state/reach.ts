/** How far a link and the own house reach, in a person's words; no more is said than is known. */
import type { GateView, ReachView, RoomId } from '../backend/backend';
import { explain } from '../words/explain';
import { t } from '../words/words.svelte';

export type LinkReach = 'thisComputer' | 'thisNetwork' | 'further';

const WIDTH: readonly LinkReach[] = ['thisComputer', 'thisNetwork', 'further'];

/** Addresses that mean another computer in every network (RFC 1918, 3927, 4193, 4291, 6598), and names of this one. */
const PRIVATE =
  /^(10|192\.168|172\.(1[6-9]|2\d|3[01])|169\.254|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\.|^f[cd]|^fe[89ab]|\.local$/;
/** From here a house answers plain HTTP: RFC 1918, 3927, 4193. */
const PLAIN_HTTP = /^(10|192\.168|172\.(1[6-9]|2\d|3[01])|169\.254)(\.\d+)+$|^f[cd][0-9a-f]*:/;
const LOOPBACK = /^127\.|^::1$|^localhost$/;

/** The furthest that one of its ways reaches: its addresses (`via` names further ones), or a gate. */
export function reachOf(link: string): LinkReach {
  const [, first = '', query = ''] = /^serambi:\/\/([^/?]+)[^?]*\??(.*)$/.exec(link) ?? [];
  const words = new URLSearchParams(query);
  if (words.has('key') && words.has('gate')) return 'further';
  const reaches = [first, ...words.getAll('via')].map((address) => WIDTH.indexOf(reachOfHost(hostOf(address))));
  return WIDTH[Math.max(...reaches)] ?? 'further';
}

/**
 * Where the same room opens in a browser; null for the house itself. Where no address of the house leads far, through its
 * gate. Within a private network without TLS: browsers trust no house's own certificate, and listening needs none.
 */
export function pageOf(link: string): string | null {
  const [, authority = '', room = '', query = ''] = /^serambi:\/\/([^/?]+)(\/r\/\w+)\??(.*)$/.exec(link) ?? [];
  if (room === '') return null;
  const host = hostOf(authority);
  const words = new URLSearchParams(query);
  const [key, gate] = [words.get('key'), words.get('gate')];
  if (key && gate && (authority === gate || reachOfHost(host) !== 'further')) return `https://${gate}/h/${key}${room}`;
  const scheme = PLAIN_HTTP.test(host) || LOOPBACK.test(host) ? 'http' : 'https';
  return `${scheme}://${scheme === 'https' ? authority.replace(/:443$/, '') : authority}${room}`;
}

/** The gate that a page of `pageOf` comes from; null: it is the house's own. */
export function gateOf(page: string): string | null {
  return /^https:\/\/([^/]+)\/h\//.exec(page)?.[1] ?? null;
}

/** The same house, whatever its addresses are: by its pin, or without one by its name. */
export function isSameHouse(one: string, other: string): boolean {
  return proofOf(one) !== undefined && proofOf(one) === proofOf(other);
}

function proofOf(link: string): string | undefined {
  return /[?&]pin=([\w-]+)/.exec(link)?.[1] ?? /^serambi:\/\/([\w-]+(?:\.[\w-]+)+):\d+/.exec(link)?.[1]?.toLowerCase();
}

/** The link to a room of the house behind `house`. */
export function linkToRoom(house: string, room: RoomId): string {
  return house.replace(/\/?(?=\?|$)/, `/r/${room}`);
}

function hostOf(address: string): string {
  return (/^\[([^\]]*)\]/.exec(address)?.[1] ?? address.replace(/:\d+$/, '')).toLowerCase();
}

function reachOfHost(host: string): LinkReach {
  if (LOOPBACK.test(host)) return 'thisComputer';
  return PRIVATE.test(host) && (host.includes('.') || host.includes(':')) ? 'thisNetwork' : 'further';
}

/** Why the own house is reached as far as it is. */
export function reachReason(view: ReachView): string {
  switch (view.reach) {
    case 'notOpen':
      return t('reach.why.notOpen');
    case 'nowhere':
      return t('reach.why.nowhere');
    case 'thisComputer':
      return t('reach.why.thisComputer');
    case 'throughGate':
      return t('reach.why.gate', { gate: view.gates.find(({ standing }) => standing.type === 'connected')?.address ?? '' });
    case 'everywhere':
      if (view.router.type === 'mapped') return t('reach.why.mapped', { address: view.router.address });
      return view.outside ? t('reach.why.outside', { address: view.outside }) : t('reach.why.address');
    case 'thisNetwork':
      return nearReason(view);
  }
}

/** What a gate said of the address outside; null: there is none. */
export function testedWords({ tested }: ReachView): string | null {
  if (!tested) return null;
  const { address, result } = tested;
  switch (result.type) {
    case 'answered':
      // A time with its unit, not a number of things.
      return t(result.datagrams ? 'reach.tested.answered' : 'reach.tested.noDatagrams', { address, ms: String(result.ms) });
    case 'failed':
      return t('reach.tested.failed', { address, why: explain(result.code) });
    case 'notTested':
      return result.code ? t('reach.tested.gateDidNot', { address, why: explain(result.code) }) : t('reach.tested.not', { address });
  }
}

/** What was tried last is said first: a gate, then the router. */
function nearReason({ gates, router }: ReachView): string {
  const failed = gates.map(({ standing }) => standing).find(({ type }) => type === 'failed');
  if (failed?.type === 'failed') return explain(failed.code);
  const [gate] = gates;
  if (gate) return t('reach.why.waiting', { gate: gate.address });
  if (router.type === 'asking') return t('reach.why.asking');
  return t(router.type === 'refused' ? 'reach.why.refused' : 'reach.why.nobody');
}

/** How it stands with a gate. `isOpen`: the house is, and waits there. */
export function gateWords({ address: gate, standing }: GateView, isOpen: boolean): string {
  if (standing.type === 'failed') return t('reach.gate.failed', { gate, why: explain(standing.code) });
  if (standing.type === 'connected') return t('reach.gate.connected', { gate });
  return t(isOpen ? 'reach.gate.waiting' : 'reach.gate.idle', { gate });
}
