import { readFileSync } from 'node:fs'

const page = readFileSync(new URL('../../docs/recipes.md', import.meta.url), 'utf8')

/** The lines of docs/recipes.md under this title, with paths and ports of the test in the place of its own. */
export function block(title: string, places: Readonly<Record<string, string>>): string {
  const found = page
    .split('```')
    .map((text) => text.split('\n').slice(1))
    .find(([first = '']) => first === `# ${title}` || first.startsWith(`# ${title}: `))
  if (found === undefined) throw new Error(`docs/recipes.md has no ${title}`)
  let text = found.slice(1).join('\n')
  for (const [theirs, ours] of Object.entries(places)) {
    if (!text.includes(theirs)) throw new Error(`${title} does not say ${theirs}`)
    text = text.replaceAll(theirs, ours)
  }
  return text
}

/** The arguments of a line of a shell that begins with `countersign`. */
export function argumentsOf(line: string): readonly string[] {
  const words = line.trim().match(/'[^']*'|\S+/g) ?? []
  return words.slice(1).map((word) => word.replace(/^'|'$/g, ''))
}
