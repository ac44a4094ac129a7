#!/usr/bin/env node
import { enableCompileCache } from 'node:module'
import { keepMemoryOutOfCoreDumps } from '../runtime/core-dump.ts'
import { stays, takeFlags } from './node-flags.ts'

takeFlags()
if (stays(process.argv)) keepMemoryOutOfCoreDumps()
enableCompileCache()
const { main } = await import('./main.ts')
await main(process.argv)
