/**
 * Taking things out of the page: copied where the browser lets a page from disk do so, saved as a file otherwise and on demand.
 */

/** Copies text. @returns whether it is on the clipboard */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

/** The old way, for pages opened from disk in browsers that give those no clipboard. */
function copyBySelection(text: string): boolean {
  const area = document.createElement('textarea');
  area.value = text;
  area.setAttribute('aria-hidden', 'true');
  area.style.position = 'fixed';
  document.body.append(area);
  area.select();
  // The only way that works there, deprecated or not.
  const isCopied = document.execCommand('copy');
  area.remove();
  return isCopied;
}

/** Saves text as a file. */
export function saveText(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
