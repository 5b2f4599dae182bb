/** Sound in a plain browser: a real house, a real person without a window who plays a tone, and a page that hears it. */
import { networkInterfaces } from 'node:os';
import { expect, test as base, type Browser, type Page } from '@playwright/test';
import { House } from './house';
import { complaints } from './page';
import { Peer } from './peer';
import { GUEST_HZ, HOST_HZ, hostTone, readSamples, secondsOf } from './wave';

/** What the page plays is measured where it leaves the page. */
function tapOutput(): void {
  const analysers: AnalyserNode[] = [];
  const connect = AudioNode.prototype.connect as (this: AudioNode, ...to: unknown[]) => unknown;
  AudioNode.prototype.connect = function (this: AudioNode, ...to: unknown[]) {
    if (to[0] instanceof AudioDestinationNode) {
      const analyser = to[0].context.createAnalyser();
      analyser.fftSize = 8_192;
      analyser.smoothingTimeConstant = 0;
      connect.call(this, analyser);
      analysers.push(analyser);
    }
    return connect.apply(this, to);
  } as typeof AudioNode.prototype.connect;
  const NativeConnection = window.RTCPeerConnection;
  const connections: RTCPeerConnection[] = [];
  window.RTCPeerConnection = class extends NativeConnection {
    constructor(...args: ConstructorParameters<typeof NativeConnection>) {
      super(...args);
      connections.push(this);
    }
  };
  const microphones: MediaStreamTrack[] = [];
  if ('mediaDevices' in navigator) {
    const getUserMedia = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (wanted) => {
      const stream = await getUserMedia(wanted);
      microphones.push(...stream.getAudioTracks());
      return stream;
    };
  }
  Object.assign(window, { heard: { analysers, connections, microphones } });
}

type Heard = { heard: { analysers: AnalyserNode[]; connections: RTCPeerConnection[]; microphones: MediaStreamTrack[] } };

/** Every microphone that the page was ever given. */
function microphones(page: Page): Promise<string[]> {
  return page.evaluate(() =>
    (window as unknown as Heard).heard.microphones.map(({ readyState, enabled }) =>
      readyState === 'ended' ? 'ended' : `live, ${enabled ? 'open' : 'silent'}`,
    ),
  );
}

/** The loudest frequency that leaves the page, and how loud it is. */
function loudest(page: Page): Promise<{ hz: number; db: number }> {
  return page.evaluate(() => {
    const { analysers } = (window as unknown as Heard).heard;
    let best = { hz: 0, db: -Infinity };
    for (const analyser of analysers) {
      const levels = new Float32Array(analyser.frequencyBinCount);
      analyser.getFloatFrequencyData(levels);
      levels.forEach((db, bin) => {
        if (db > best.db) best = { hz: (bin * analyser.context.sampleRate) / analyser.fftSize, db };
      });
    }
    return best;
  });
}

/** Packets of sound, over all connections of the page. */
function packets(page: Page, type: 'inbound-rtp' | 'outbound-rtp'): Promise<number> {
  return page.evaluate(async (wanted) => {
    let count = 0;
    for (const connection of (window as unknown as Heard).heard.connections) {
      const stats = await connection.getStats();
      stats.forEach((report: { type: string; packetsReceived?: number; packetsSent?: number }) => {
        if (report.type === wanted) count += report.packetsReceived ?? report.packetsSent ?? 0;
      });
    }
    return count;
  }, type);
}

async function hears(page: Page, hz: number): Promise<void> {
  await expect.poll(async () => Math.abs((await loudest(page)).hz - hz) < 20 && (await loudest(page)).db > -60).toBe(true);
}

async function hearsNothing(page: Page): Promise<void> {
  await expect.poll(async () => (await loudest(page)).db).toBeLessThan(-100);
}

type Evening = { house: House; insideHouse: House; does: string; host: Peer; open: (origin: string) => Promise<Page>; room: () => Promise<string>; heard: string[] };

const test = base.extend<Evening>({
  heard: async ({}, use) => {
    const heard: string[] = [];
    await use(heard);
    expect(heard).toEqual([]);
  },
  house: async ({}, use) => {
    const house = new House({ listen: '0.0.0.0' });
    await house.open();
    await use(house);
    await house.close();
  },
  insideHouse: async ({}, use) => {
    const house = new House({ page: 'inside' });
    await house.open();
    await use(house);
    await house.close();
  },
  does: ['500ms unmute; on hand_raised invite-first', { option: true }],
  host: async ({ house, does }, use) => {
    const host = new Peer({ house: house.link, title: 'Evening on the porch', name: 'Ratna Wijaya', plays: hostTone(), does });
    await host.wait('unmuted');
    await use(host);
    await host.close();
    host.forget();
  },
  room: async ({ host }, use) => {
    await use(async () => /\/r\/\w+/.exec(String((await host.wait('link')).link))?.[0] ?? '');
  },
  open: async ({ browser, heard }, use) => {
    const pages: Page[] = [];
    await use(async (address) => {
      const page = await openPage(browser, address, heard);
      pages.push(page);
      return page;
    });
    await Promise.all(pages.map((page) => page.context().close()));
  },
});

async function openPage(browser: Browser, address: string, heard: string[]): Promise<Page> {
  const context = await browser.newContext({ locale: 'en-GB', ignoreHTTPSErrors: true });
  const page = await context.newPage();
  complaints(page, heard);
  await page.addInitScript(tapOutput);
  await page.goto(address);
  return page;
}

/** From an opened link into the room, as a newcomer does: one field, one button. */
async function listen(page: Page, name: string): Promise<void> {
  await expect(page.getByRole('group', { name: /Evening on the porch/ })).toBeVisible();
  await page.getByLabel('Your name').fill(name);
  await page.getByRole('button', { name: 'Listen' }).click();
  await expect(page.getByRole('region', { name: 'Your controls' })).toBeVisible();
}

test('a newcomer opens a link over HTTPS, hears, is invited, speaks, and is mute when muted', async ({ house, host, room, open }) => {
  const page = await open(`https://127.0.0.1:${house.port}${await room()}`);
  await listen(page, 'Dewi Lestari');
  await hears(page, HOST_HZ);
  expect(await packets(page, 'inbound-rtp')).toBeGreaterThan(10);
  expect(await packets(page, 'outbound-rtp'), 'a listener sends nothing').toBe(0);
  expect(await microphones(page), 'and has no microphone').toEqual([]);
  await expect(page.getByRole('button', { name: /^Ratna Wijaya, host, unmuted, talking/ })).toBeVisible();

  await comeOnStage(page);
  expect(await microphones(page), 'on stage, muted').toEqual(['live, silent']);
  await speak(page, host);
  await page.getByRole('button', { name: 'Mute microphone' }).click();
  await expect(page.getByRole('button', { name: 'Unmute microphone' })).toBeVisible();
  expect(await microphones(page)).toEqual(['live, silent']);
  expect(await packetsInASecond(host), 'packets while muted').toBe(0);

  await backToAudience(page);
  await expect.poll(() => microphones(page)).toEqual(['ended']);

  await host.close();
  const seconds = secondsOf(readSamples(host.recording), GUEST_HZ);
  expect(seconds, 'seconds of the own voice in the recording').toBeGreaterThan(0.5);
});

test.describe('a host who mutes and removes', () => {
  test.use({ does: '500ms unmute; on hand_raised invite-first; on first_sound mute Dewi Lestari; on said_later remove Dewi Lestari' });

  test('a moderator closes the microphone, nobody but the person opens it, and whoever is removed hears nothing', async ({ house, host, room, open }) => {
    const page = await open(`https://127.0.0.1:${house.port}${await room()}`);
    await listen(page, 'Dewi Lestari');
    await comeOnStage(page);
    await page.getByRole('button', { name: 'Unmute microphone' }).click();
    await expect(page.getByText('Ratna Wijaya muted you.').last()).toBeVisible();
    await expect.poll(() => microphones(page)).toEqual(['live, silent']);
    await expect(page.getByRole('button', { name: 'Unmute microphone' })).toBeVisible();
    expect(await packetsInASecond(host), 'packets after a moderator muted').toBe(0);
    await page.getByRole('button', { name: 'Unmute microphone' }).click();
    await expect.poll(() => microphones(page)).toEqual(['live, open']);

    await backToAudience(page);
    await page.getByRole('button', { name: 'Raise hand' }).click();
    await hears(page, HOST_HZ);
    await page.getByRole('button', { name: 'Not now' }).click();
    await expect(page.getByText('You were removed from this room.').last()).toBeVisible();
    await hearsNothing(page);
  });
});

test('over plain HTTP in a private network one hears, and is told where to speak', async ({ house, room, open }) => {
  const page = await open(`http://${privateAddress()}:${house.port}${await room()}`);
  await expect(page.getByText('This page is not encrypted: others on this network could hear along.')).toBeVisible();
  await listen(page, 'Jonas Weber');
  await hears(page, HOST_HZ);
  await expect(page.getByText('Here you can listen.')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Raise hand' })).toHaveCount(0);
  await page.keyboard.press('h');
  await expect(page.locator('.toast')).toHaveText(/To speak, open the secure page/);

  await page.getByRole('link', { name: 'Speak on the secure page' }).click();
  await listen(page, 'Jonas Weber');
  await expect(page.getByRole('button', { name: 'Raise hand' })).toBeVisible();
  expect(page.url()).toBe(`https://${privateAddress()}:${house.port}${await room()}`);
});

test('one voice is made softer and louder for oneself alone', async ({ house, room, open }) => {
  const page = await open(`https://127.0.0.1:${house.port}${await room()}`);
  await listen(page, 'Dewi Lestari');
  await hears(page, HOST_HZ);
  await page.getByRole('button', { name: /^Ratna Wijaya, host/ }).focus();
  const usual = (await loudestWithin(page)).db;
  await page.keyboard.press('End');
  for (let n = 0; n < 5; n += 1) await page.keyboard.press('-');
  await expect.poll(async () => (await loudestWithin(page)).db).toBeLessThan(usual - 4);
  for (let n = 0; n < 10; n += 1) await page.keyboard.press('+');
  await expect.poll(async () => (await loudestWithin(page)).db).toBeGreaterThan(usual + 2);
});

test.describe('a host who speaks again', () => {
  // After a restart everybody is muted.
  test.use({ does: '500ms unmute; on connection unmute' });

  test('sound comes back by itself after the house was killed and started again', async ({ house, host, room, open }) => {
    const page = await open(`https://127.0.0.1:${house.port}${await room()}`);
    await listen(page, 'Dewi Lestari');
    await hears(page, HOST_HZ);
    await house.kill();
    await expect(page.getByText('Reconnecting…').first()).toBeVisible({ timeout: 20_000 });
    await house.open();
    await host.wait('connection', host.events.length, ({ state }) => state === 'connected');
    await expect(page.getByText('Reconnecting…')).toHaveCount(0, { timeout: 30_000 });
    await hears(page, HOST_HZ);
  });
});

test('the page is inside the program, under strict rules, and asks nobody else', async ({ open, insideHouse }) => {
  const asked: string[] = [];
  const page = await open('about:blank');
  page.on('request', (request) => asked.push(new URL(request.url()).host));
  const answer = await page.goto(`https://127.0.0.1:${insideHouse.port}/`);
  expect(answer?.headers()['content-security-policy']).toContain("default-src 'none'");
  expect(answer?.headers()['cache-control']).toBe('no-cache');
  await expect(page.getByLabel('What is your name?')).toBeVisible();
  const script = await page.evaluate(async () => {
    const response = await fetch(document.querySelector('script')?.src ?? '');
    return [response.headers.get('cache-control'), response.headers.get('content-encoding')];
  });
  expect(script).toEqual(['public, max-age=31536000, immutable', 'gzip']);
  expect([...new Set(asked)]).toEqual([`127.0.0.1:${insideHouse.port}`]);
});

async function comeOnStage(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Raise hand' }).click();
  await page.getByRole('button', { name: 'Join the stage' }).click();
  await expect(page.getByRole('button', { name: 'Unmute microphone' })).toBeVisible();
}

async function backToAudience(page: Page): Promise<void> {
  await page.getByRole('button', { name: /Dewi Lestari, you, speaker/ }).click();
  await page.getByRole('button', { name: 'Move to audience' }).click();
  await expect(page.getByRole('button', { name: 'Raise hand' })).toBeVisible();
}

/** Until the host has received a second of it. */
async function speak(page: Page, host: Peer): Promise<void> {
  const before = host.events.length;
  await page.getByRole('button', { name: 'Unmute microphone' }).click();
  await expect.poll(() => microphones(page)).toEqual(['live, open']);
  await host.wait('statistics', before, ({ packets_received: count }) => Number(count) > 50);
}

/** The loudest of some looks: the tone comes and goes. */
async function loudestWithin(page: Page): Promise<{ hz: number; db: number }> {
  let best = { hz: 0, db: -Infinity };
  for (let n = 0; n < 60; n += 1) {
    const now = await loudest(page);
    if (now.db > best.db) best = now;
    await page.evaluate(() => new Promise(requestAnimationFrame));
  }
  return best;
}

/** An address of this computer from which it comes to itself as another one of its network would. */
function privateAddress(): string {
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const found = own.find(({ address, internal }) => !internal && /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|f[cd])/.test(address));
  if (!found) throw new Error('this computer has no address in a private network');
  return found.family === 'IPv6' ? `[${found.address}]` : found.address;
}

/** Packets of others that reached the host in a second, one second from now. */
async function packetsInASecond(host: Peer): Promise<number> {
  const counted: number[] = [];
  for (let n = 0; n < 3; n += 1) {
    const { packets_received: count } = await host.wait('statistics', host.events.length);
    counted.push(Number(count));
  }
  return (counted[2] ?? NaN) - (counted[1] ?? NaN);
}
