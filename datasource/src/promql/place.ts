/** What may stand where the cursor is. */
export type Place =
  | { kind: 'expression' }
  | { kind: 'label' }
  | { kind: 'value'; label: string }
  | { kind: 'duration' };

const groupings = /\b(by|without|on|ignoring|group_left|group_right)\s*$/i;
const matcher = /([A-Za-z_][\w.]*)\s*(=~|!~|!=|=)\s*$/;

/** Reads a query up to the cursor. */
export function placeOf(before: string): Place {
  const open: string[] = []; // brackets, with a grouping's parenthesis as "l"
  let quote = '';
  let quotedFrom = 0;
  for (let i = 0; i < before.length; i++) {
    const c = before[i];
    if (quote !== '') {
      if (c === '\\' && quote !== '`') {
        i++;
      } else if (c === quote) {
        quote = '';
      }
      continue;
    }
    if (c === '#') {
      const end = before.indexOf('\n', i);
      if (end < 0) {
        return { kind: 'expression' };
      }
      i = end;
    } else if (c === '"' || c === "'" || c === '`') {
      quote = c;
      quotedFrom = i;
    } else if (c === '(') {
      open.push(groupings.test(before.slice(0, i)) ? 'l' : c);
    } else if (c === '{' || c === '[') {
      open.push(c);
    } else if (c === ')' || c === '}' || c === ']') {
      open.pop();
    }
  }
  const within = open[open.length - 1];
  if (quote !== '') {
    const label = within === '{' ? matcher.exec(before.slice(0, quotedFrom))?.[1] : undefined;
    return label ? { kind: 'value', label } : { kind: 'expression' };
  }
  switch (within) {
    case '{':
    case 'l':
      return { kind: 'label' };
    case '[':
      return { kind: 'duration' };
    default:
      return { kind: 'expression' };
  }
}

/** The part of a word that is already there, which a completion takes the place of. */
export function wordBefore(before: string, place: Place): string {
  const word = place.kind === 'value' ? /[^"'`]*$/ : /[$\w:.]*$/;
  return word.exec(before)?.[0] ?? '';
}
