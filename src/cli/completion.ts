import { Argument, Command } from 'commander'
import type { Io } from './io.ts'

/** What may follow a sequence of verbs. */
interface Node {
  readonly path: string
  readonly words: readonly string[]
}

/** `countersign completion`: made from the verbs themselves, so that it misses none. */
export function completion(io: Io, root: () => Command): Command {
  return new Command('completion')
    .description('print completion for your shell')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .addHelpText('after', '\nExample:\n  source <(countersign completion bash)')
    .action((shell: 'bash' | 'zsh' | 'fish') => {
      const nodes = nodesOf(root(), '')
      io.write(shell === 'fish' ? fish(nodes) : bash(nodes, shell === 'zsh'))
    })
}

function nodesOf(command: Command, path: string): Node[] {
  const words = [
    ...command.commands.map((child) => child.name()),
    ...command.options.flatMap((option) => (option.long === undefined ? [] : [option.long])),
    '--help',
  ]
  return [
    { path, words: [...new Set(words)] },
    ...command.commands.flatMap((child) => nodesOf(child, `${path} ${child.name()}`.trim())),
  ]
}

function bash(nodes: readonly Node[], zsh: boolean): string {
  const cases = nodes
    .map(({ path, words }) => `    '${path}') words='${words.join(' ')}' ;;`)
    .join('\n')
  return `${zsh ? 'autoload -U +X bashcompinit && bashcompinit\n' : ''}_countersign() {
  local path='' words='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    [[ \${COMP_WORDS[i]} == -* ]] && break
    path="\${path:+$path }\${COMP_WORDS[i]}"
  done
  case "$path" in
${cases}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -F _countersign countersign
`
}

function fish(nodes: readonly Node[]): string {
  const lines = nodes.flatMap(({ path, words }) => {
    const seen = path === '' ? [] : path.split(' ')
    const when =
      seen.length === 0
        ? '__fish_use_subcommand'
        : seen.map((word) => `__fish_seen_subcommand_from ${word}`).join('; and ')
    return words.map((word) =>
      word.startsWith('--')
        ? `complete -c countersign -n '${when}' -l ${word.slice(2)}`
        : `complete -c countersign -f -n '${when}' -a ${word}`,
    )
  })
  return `${lines.join('\n')}\n`
}
