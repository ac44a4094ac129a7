#!/usr/bin/env node
import { enableCompileCache } from 'node:module'
import { leanHeap } from './lean-heap.ts'

leanHeap()
enableCompileCache()
const { main } = await import('./main.ts')
await main(process.argv)
