// Bundles the command into dist/: its entry and that of the server's thread, and a chunk for each part that
// a verb loads when it runs.
import { fileURLToPath } from 'node:url'
import { build } from 'rolldown'

await build({
  cwd: fileURLToPath(new URL('..', import.meta.url)),
  input: {
    countersign: 'src/cli/bin.ts',
    'entry-thread': 'server/store/entry-thread.ts',
  },
  platform: 'node',
  // Native modules and WebAssembly are found beside their own files.
  external: ['better-sqlite3', 'koffi', '@cedar-policy/cedar-wasm/nodejs'],
  output: {
    dir: process.argv[2] ?? 'dist',
    cleanDir: true,
    entryFileNames: '[name].js',
    comments: false,
    // Names and lines stay, for stack traces. V8 keeps the text of what it runs, and needs twice the
    // space for all of a file in which one character is beyond Latin-1.
    minify: {
      compress: false,
      mangle: false,
      codegen: { removeWhitespace: false, asciiOnly: true },
    },
  },
  logLevel: 'warn',
})
