/**
 * Text of somebody else's (names of runs, values of configs, paths) made harmless for where it is shown: a terminal obeys control characters, some
 * of which come in ordinary text, and a spreadsheet runs what looks like a formula.
 */

/** C0 and C1 controls but newline, DEL, and what turns the direction of writing round. */
// eslint-disable-next-line no-control-regex -- the very characters that are looked for
const OBEYED = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
/** Those of them that JSON leaves as they are. */
const OBEYED_IN_JSON = /[\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
/** What a spreadsheet takes for a formula; a number with a sign, or a lone sign, is none. */
const FORMULA = /^[=+\-@\t\r＝＋－＠](?!$)/;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** Text for a terminal: control characters are spelt, ESC as `\x1b`; newlines stay, a tab is a space. */
export function plainText(text: string): string {
  return text.replace(OBEYED, spelt);
}

/** A name for one line: `plainText` with newlines spelt, too. */
export function plainLine(text: string): string {
  return plainText(text).replaceAll('\n', '\\n');
}

/** JSON with the control characters that it may hold as they are, written as escapes: it means the same. */
export function escapeJsonControls(json: string): string {
  return json.replace(OBEYED_IN_JSON, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Text for a cell of a spreadsheet: a formula gets an apostrophe in front, control characters are spelt. */
export function plainField(text: string): string {
  const plain = plainText(text);
  return FORMULA.test(text) && !NUMBER.test(text) ? `'${plain}` : plain;
}

function spelt(character: string): string {
  if (character === '\t') return ' ';
  const code = character.charCodeAt(0);
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`;
}
