/** The people of the imagined house. */
import { faceColour, FACE_COLOURS } from '../../state/names';
import type { PersonId } from '../backend';

/** A key for a name: the same name has the same key in every run. With `colour`, one whose face has that colour. */
export function keyOf(name: string, colour?: number): PersonId {
  let seed = 7;
  for (const character of name) seed = (seed * 33 + (character.codePointAt(0) ?? 0)) >>> 0;
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
  let key = '';
  while (key.length < 42) {
    seed = (seed * 1_103_515_245 + 12_345) >>> 0;
    key += letters[(seed >>> 8) % letters.length];
  }
  const wanted = colour ?? (seed >>> 12) % FACE_COLOURS;
  const last = [...letters].find((letter) => faceColour(key + letter) === wanted);
  return key + (last ?? 'A');
}

export const ME = { name: 'Ratna Wijaya', id: keyOf('Ratna Wijaya', 3) };

const RED = 0;
const BROWN = 1;
const GREEN = 2;
const TEAL = 3;
const INDIGO = 4;
const PLUM = 5;
const OCHRE = 6;
const BLUE = 7;

const colours: Record<string, number> = {
  'Ratna Wijaya': TEAL,
  'Rani Wulandari': TEAL,
  'Bagus Pratama': RED,
  'Mei Lin': OCHRE,
  'Theo Okafor': GREEN,
  'Dewi Lestari': PLUM,
  'Jonas Weber': RED,
  李晓雨: BROWN,
  'Arif Nugroho': INDIGO,
  'Hana Sato': BLUE,
  'Sari Putri': TEAL,
  'Kemal Aydin': BLUE,
  'Nia Hartono': TEAL,
  'Olga Petrova': INDIGO,
  'Rui Tavares': OCHRE,
  'Yusuf Alatas': GREEN,
  'Ines Duarte': INDIGO,
  'Made Wirawan': RED,
  'Anna Kowalska': TEAL,
  'Budi Santoso': TEAL,
  'Lara Novak': BLUE,
  'Tom Baker': INDIGO,
};

export function idOf(name: string): PersonId {
  return keyOf(name, colours[name]);
}

/** Listeners of the evening, in the order they came in. */
export const listeners = [
  'Dewi Lestari', 'Arif Nugroho', 'Hana Sato', 'Jonas Weber', 'Sari Putri', 'Kemal Aydin', '李晓雨', 'Nia Hartono',
  'Olga Petrova', 'Rui Tavares', 'Yusuf Alatas', 'Ines Duarte', 'Made Wirawan', 'Anna Kowalska', 'Budi Santoso',
  'Lara Novak', 'Putu Ardana', 'Ivy Chen', 'Samir Haddad', 'Wayan Sudra', 'Greta Lind', 'Omar Farouk', '陈思远', 'Lucía Ortega',
  'Rizky Maulana', 'Noor Ali', 'Eka Saputra', 'Paul Moreau', 'Citra Dewanti', 'Agnes Tan', 'Fajar Hidayat', 'Kofi Mensah',
]; // prettier-ignore

const moreNames =
  'Amara Bintang Chandra Diego Elif Farah Galih Haruka Intan Joko Kirana Leila Mikael Nadia Oscar Pavel Qori Rosa Siti Tariq ' +
  'Umar Vera Wulan Ximena Yuki Zahra Aditya Bela Ceren Dimas Emil Fitri Gustavo Hadi Irina Jaya Kenji Laras Mira Naufal';
const families = 'Aulia Bauer Costa Darma Eriksen Fauzi Gunawan Huang Ismail Jensen Kurnia Lim Morales Nasution'.split(' ');

/** As many people as asked for, each with a name of their own. */
export function crowd(count: number): string[] {
  const firsts = moreNames.split(' ');
  const rest = Array.from({ length: Math.max(0, count - listeners.length) }, (_, n) => {
    const round = Math.floor(n / firsts.length);
    return `${firsts[n % firsts.length]} ${families[(n + round) % families.length]}${round < families.length ? '' : ` ${round}`}`;
  });
  return [...listeners.slice(0, count), ...rest];
}

export const longNames = [
  'Raden Ajeng Kusumawardhani Prameswari Tunggadewi Hadiningrat II',
  'Wolfeschlegelsteinhausenbergerdorffwelchevoralternwarengewissen',
  'Adolfo María de las Mercedes y Santa Cruz von Hohenfels-Beringen',
  '欧阳慕容司马上官诸葛东方独孤南宫令狐皇甫尉迟公孙轩辕长孙宇文',
];
