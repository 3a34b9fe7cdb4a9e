/**
 * A position in the bytes of a line, and the few things that are read there: words, numbers, what stands behind a key. Hot path: called for every field of every line.
 */

const SPACE = 0x20;
const TAB = 0x09;
const EQUALS = 0x3d;
const COMMA = 0x2c;
/** Value of a hexadecimal digit by its byte; 255: none. */
const DIGITS = new Uint8Array(256).fill(255);
for (let i = 0; i < 10; i++) DIGITS[0x30 + i] = i;
for (let i = 0; i < 6; i++) {
  DIGITS[0x61 + i] = 10 + i;
  DIGITS[0x41 + i] = 10 + i;
}

/** Bytes of a key as `Scan.key` wants them. */
export function keyBytes(text: string): Uint8Array {
  return Uint8Array.from(text, character => character.charCodeAt(0));
}

export class Scan {
  bytes: Uint8Array = new Uint8Array(0);
  pos = 0;
  end = 0;
  /** The number read last, and its halves. */
  number = 0;
  hi = 0;
  lo = 0;

  /** Goes behind the next word that is `key` (followed by a space or an equals sign). @returns false, and stays, when there is none */
  key(key: Uint8Array): boolean {
    const { bytes, end } = this;
    const { length } = key;
    const [first] = key;
    let at = this.pos;
    while (at + length < end) {
      if (bytes[at] === first) {
        let i = 1;
        while (i < length && bytes[at + i] === key[i]) i++;
        const after = bytes[at + length];
        if (i === length && (after === SPACE || after === EQUALS)) {
          this.pos = at + length + 1;
          return true;
        }
      }
      // On to the next word.
      while (at < end && bytes[at] !== SPACE) at++;
      while (at < end && bytes[at] === SPACE) at++;
    }
    return false;
  }

  /** Reads a hexadecimal number, with or without 0x. @returns whether there is one */
  hex(): boolean {
    const { bytes, end } = this;
    let at = this.pos;
    while (at < end && bytes[at] === SPACE) at++;
    if (at + 1 < end && bytes[at] === 0x30 && (bytes[at + 1] === 0x78 || bytes[at + 1] === 0x58)) at += 2;
    const begin = at;
    let hi = 0;
    let lo = 0;
    for (; at < end; at++) {
      const digit = DIGITS[bytes[at]];
      if (digit === 255) break;
      hi = (hi << 4) | (lo >>> 28);
      lo = (lo << 4) | digit;
    }
    this.hi = hi;
    this.lo = lo;
    this.number = (hi >>> 0) * 0x100000000 + (lo >>> 0);
    return this.ends(begin, at, 16);
  }

  /** Reads a decimal number, with or without a sign. @returns whether there is one */
  decimal(): boolean {
    const { bytes, end } = this;
    let at = this.pos;
    while (at < end && bytes[at] === SPACE) at++;
    const negative = at < end && bytes[at] === 0x2d;
    if (negative) at++;
    const begin = at;
    let number = 0;
    for (; at < end; at++) {
      const digit = bytes[at] - 0x30;
      if (digit < 0 || digit > 9) break;
      number = number * 10 + digit;
    }
    this.number = negative ? -number : number;
    return this.ends(begin, at, 15);
  }

  /** Reads a number as C does: hexadecimal with 0x, else decimal. */
  integer(): boolean {
    let at = this.pos;
    while (at < this.end && this.bytes[at] === SPACE) at++;
    return at + 1 < this.end && this.bytes[at] === 0x30 && (this.bytes[at + 1] | 0x20) === 0x78 ? this.hex() : this.decimal();
  }

  /** The word at the position, which is moved behind it and the spaces after. */
  word(): string {
    const from = this.skipSpaces();
    while (this.pos < this.end && this.bytes[this.pos] !== SPACE) this.pos++;
    const text = this.text(from, this.pos);
    this.skipSpaces();
    return text;
  }

  /** The rest of the line. */
  rest(): string {
    return this.text(this.skipSpaces(), this.end);
  }

  skipSpaces(): number {
    while (this.pos < this.end && (this.bytes[this.pos] === SPACE || this.bytes[this.pos] === TAB)) this.pos++;
    return this.pos;
  }

  text(from: number, to: number): string {
    let text = '';
    for (let at = from; at < to; at++) text += String.fromCharCode(this.bytes[at]);
    return text;
  }

  /** Whether a number of 1 to `digits` digits ends well: at a space, a comma, or the line's end. */
  private ends(begin: number, at: number, digits: number): boolean {
    if (at === begin || at - begin > digits) return false;
    if (at < this.end) {
      const after = this.bytes[at];
      if (after !== SPACE && after !== COMMA && after !== 0x29 && after !== 0x3a && after !== 0x2e) return false;
    }
    this.pos = at;
    return true;
  }
}
