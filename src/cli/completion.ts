import { Argument, Command } from 'commander'
import type { Io } from './io.ts'

/** What may follow a sequence of verbs. */
interface Node {
  readonly path: string
  readonly verbs: readonly string[]
  readonly options: readonly Flag[]
}

interface Flag {
  /** With its dashes. */
  readonly name: string
  readonly takesValue: boolean
  readonly choices: readonly string[]
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
  const flags = command.options.flatMap(({ long, required, optional, argChoices }): Flag[] =>
    long == null
      ? []
      : [{ name: long, takesValue: required || optional, choices: argChoices ?? [] }],
  )
  return [
    {
      path,
      verbs: command.commands.map((child) => child.name()),
      options: [...flags, { name: '--help', takesValue: false, choices: [] }],
    },
    ...command.commands.flatMap((child) => nodesOf(child, `${path} ${child.name()}`.trim())),
  ]
}

function bash(nodes: readonly Node[], zsh: boolean): string {
  const words = nodes.map(({ path, verbs, options }) => {
    const all = [...verbs, ...options.map(({ name }) => name)]
    return `    '${path}') words='${all.join(' ')}' ;;`
  })
  const values = nodes.flatMap(({ path, options }) =>
    options
      .filter(({ takesValue }) => takesValue)
      .map(({ name, choices }) => `    '${path} ${name}') words='${choices.join(' ')}' ;;`),
  )
  return `${zsh ? 'autoload -U +X bashcompinit && bashcompinit\n' : ''}_countersign() {
  local path='' words='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    [[ \${COMP_WORDS[i]} == -* ]] && break
    path="\${path:+$path }\${COMP_WORDS[i]}"
  done
  case "$path" in
${words.join('\n')}
  esac
  # What follows an option that takes a value: one of its words, or a file where it has none.
  case "$path \${COMP_WORDS[COMP_CWORD-1]}" in
${values.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _countersign countersign
`
}

function fish(nodes: readonly Node[]): string {
  const lines = nodes.flatMap(({ path, verbs, options }) => {
    const seen = path === '' ? [] : path.split(' ')
    const when =
      seen.length === 0
        ? '__fish_use_subcommand'
        : seen.map((word) => `__fish_seen_subcommand_from ${word}`).join('; and ')
    const complete = `complete -c countersign -n '${when}'`
    return [
      ...verbs.map((verb) => `${complete} -f -a ${verb}`),
      ...options.map(({ name, takesValue, choices }) => {
        const value = choices.length > 0 ? ` -x -a '${choices.join(' ')}'` : ' -r'
        return `${complete} -l ${name.slice(2)}${takesValue ? value : ''}`
      }),
    ]
  })
  return `${lines.join('\n')}\n`
}
