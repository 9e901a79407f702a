/** Tells values that can be blanked out from those that would take innocent words with them. */

/** Shorter values are likely to be part of other words. */
const SHORTEST = 6;
/** Numbers are everywhere (times, sizes, ports, ids), and so are words. */
const SHORTEST_PLAIN = 8;
const FEWEST_CHARACTERS = 3;

/** What logs are full of, and what settings are often set to. */
const WORDS = new Set(
  [
    "password passwd secret default disabled enabled required optional undefined unknown",
    "production staging preview development testing sandbox internal external primary replica",
    "localhost postgres postgresql mysql mariadb sqlite mongodb rabbitmq elasticsearch memcached",
    "http:// https:// postgres:// 127.0.0.1 0.0.0.0 application/json",
    "verbose warning message timestamp hostname request response status headers method content",
    "prefer require verify-ca verify-full allow-all true,false username service network",
    "console server client worker default-src strict admin@localhost public private",
  ].flatMap((line) => line.split(" ")),
);
const REGION = /^[a-z]{2}(-gov|-iso[a-z]?)?-[a-z]+-\d$/;
const ADDRESS = /^(https?|wss?):\/\/(localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\])(:\d+)?\/?$/;
/** Every key has them, the public ones too. */
const FRAME = /^-----(BEGIN|END) [A-Z0-9 ]+-----$/;

/** Too short or too common to be blanked out wherever it stands. */
export function isCommon(text: string): boolean {
  if (text.length < SHORTEST || hasFewCharacters(text)) return true;
  if (text.length < SHORTEST_PLAIN && /^([\d.,+-]+|[A-Za-z]+)$/.test(text)) return true;
  return WORDS.has(text.toLowerCase()) || REGION.test(text) || ADDRESS.test(text) || FRAME.test(text);
}

function hasFewCharacters(text: string): boolean {
  const distinct = new Set<string>();
  for (const character of text) {
    if (distinct.add(character).size === FEWEST_CHARACTERS) return false;
  }
  return true;
}
