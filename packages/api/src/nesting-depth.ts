/**
 * How deep a YAML text nests, told from its lexer's tokens before anything is made of them: readers of YAML call themselves for every level, and run out of stack.
 */

/** No file of ours has a use for more levels. */
export const MAX_NESTING = 64;

/** Signs of the lexer's own, of no width: begin of a document, end of a broken flow, begin of a text; and the byte order mark. */
const LEXER_MARKS: ReadonlySet<string> = new Set(['\u0002', '\u0018', '\u001f', '\ufeff']);

/** How deep a sign stands: brackets that are open, and columns that the lines and dashes around it begin at. */
export class NestingDepth {
  private brackets = 0;
  private column = 0;
  private startsLevel = true;
  private readonly columns: number[] = [];

  get levels(): number {
    return this.brackets + this.columns.length;
  }

  take(token: string): void {
    if (token === '\n' || token === '\r\n') this.beginLine();
    else if (LEXER_MARKS.has(token)) return;
    else if (/^[ \t]+$/.test(token)) this.column += token.length;
    else this.takeSign(token);
  }

  private beginLine(): void {
    this.column = 0;
    this.startsLevel = true;
  }

  private takeSign(token: string): void {
    if (this.startsLevel) this.beginLevel();
    if (token === '[' || token === '{') this.brackets++;
    else if (token === ']' || token === '}') this.brackets--;
    this.startsLevel = token === '-' || token === '?';
    this.column += token.length;
  }

  private beginLevel(): void {
    while ((this.columns.at(-1) ?? -1) >= this.column) this.columns.pop();
    this.columns.push(this.column);
  }
}
