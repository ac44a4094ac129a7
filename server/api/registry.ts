import { registeredEntryToWire } from '../../src/rpc/convert.ts'
import {
  registeredEntryFieldsFromWire,
  registeredEntryMaskFromWire,
} from '../../src/rpc/convert-input.ts'
import type { BatchCreateRequest } from '../../src/rpc/gen/countersign/registry/v1/BatchCreateRequest.ts'
import type { BatchDeleteRequest } from '../../src/rpc/gen/countersign/registry/v1/BatchDeleteRequest.ts'
import type { BatchDisableRequest } from '../../src/rpc/gen/countersign/registry/v1/BatchDisableRequest.ts'
import type { BatchEnableRequest } from '../../src/rpc/gen/countersign/registry/v1/BatchEnableRequest.ts'
import type { BatchResponse$Input } from '../../src/rpc/gen/countersign/registry/v1/BatchResponse.ts'
import type { BatchUpdateRequest } from '../../src/rpc/gen/countersign/registry/v1/BatchUpdateRequest.ts'
import type { CountRequest } from '../../src/rpc/gen/countersign/registry/v1/CountRequest.ts'
import type { GetRequest } from '../../src/rpc/gen/countersign/registry/v1/GetRequest.ts'
import type { ListRequest } from '../../src/rpc/gen/countersign/registry/v1/ListRequest.ts'
import type { WaitAppliedRequest } from '../../src/rpc/gen/countersign/registry/v1/WaitAppliedRequest.ts'
import type { WaitAppliedResponse$Input } from '../../src/rpc/gen/countersign/registry/v1/WaitAppliedResponse.ts'
import { type RpcHandler, unary } from '../../src/rpc/handler.ts'
import { itemStatus } from '../../src/rpc/status.ts'
import type { Caller } from '../access/caller.ts'
import type { BatchResult } from '../entry/batch.ts'
import type { SwitchOptions } from '../entry/disable.ts'
import { type ApiDeps, actOf } from './deps.ts'
import { requireEntry } from './entry.ts'
import { registryFilterFromWire } from './entry-filter.ts'
import { listPage } from './entry-page.ts'
import { roomInAnswer, sizeOfEntry } from './message-size.ts'

const maxWaitMs = 60_000

type Deps = Pick<ApiDeps, 'index' | 'registry' | 'followers' | 'cursorKey' | 'clock'>

/** countersign.registry.v1.Registry */
export function registryHandlers(deps: Deps): Record<string, RpcHandler<Caller>> {
  const { index, registry } = deps
  return {
    BatchCreate: unary(async ({ entries, atomic }: BatchCreateRequest, { caller, signal }) =>
      batchToWire(
        await registry.createEntries(entries.map(registeredEntryFieldsFromWire), {
          ...actOf(caller),
          atomic,
          signal,
        }),
      ),
    ),
    BatchUpdate: unary(async (request: BatchUpdateRequest, { caller, signal }) =>
      batchToWire(
        await registry.updateEntries(request.entries.map(registeredEntryFieldsFromWire), {
          ...actOf(caller),
          mask: registeredEntryMaskFromWire(request.input_mask),
          atomic: request.atomic,
          signal,
        }),
      ),
    ),
    BatchDelete: unary(async ({ ids, atomic }: BatchDeleteRequest, { caller, signal }) =>
      batchToWire(await registry.deleteEntries(ids, { ...actOf(caller), atomic, signal })),
    ),
    BatchDisable: unary(async (request: BatchDisableRequest, { caller, signal }) =>
      batchToWire(await registry.disableEntries(request.ids, switchOf(request, caller, signal))),
    ),
    BatchEnable: unary(async (request: BatchEnableRequest, { caller, signal }) =>
      batchToWire(await registry.enableEntries(request.ids, switchOf(request, caller, signal))),
    ),
    Get: unary(({ id }: GetRequest) => registeredEntryToWire(requireEntry(index.get(id)))),
    List: unary((request: ListRequest) => {
      const page = listPage(deps, registryFilterFromWire(request.filter), request)
      return {
        entries: page.entries.map(registeredEntryToWire),
        next_page_token: page.nextPageToken,
      }
    }),
    Count: unary(({ filter }: CountRequest) => ({
      count: index.count(registryFilterFromWire(filter)),
    })),
    WaitApplied: unary((request: WaitAppliedRequest, { signal }) =>
      waitApplied(deps, request, signal),
    ),
  }
}

function switchOf(
  { reason, atomic }: BatchDisableRequest | BatchEnableRequest,
  caller: Caller,
  signal: AbortSignal,
): SwitchOptions {
  return { ...actOf(caller), reason: reason === '' ? undefined : reason, atomic, signal }
}

/** Of an entry that the answer has no room for its id alone. */
function batchToWire({ results, position }: BatchResult): BatchResponse$Input {
  const hasRoom = roomInAnswer()
  return {
    position,
    results: results.map(({ entry, error, existingId, warnings }) => ({
      status: itemStatus(error),
      reason: error?.reason ?? '',
      fix: error?.fix ?? '',
      existing_id: existingId ?? '',
      warnings: [...warnings],
      ...(entry !== undefined && {
        entry: hasRoom(sizeOfEntry(entry))
          ? registeredEntryToWire(entry)
          : { entry: { id: entry.id } },
      }),
    })),
  }
}

/** Answers when every connected agent that the entries are meant for has applied the position, or time is up. */
async function waitApplied(
  { index, followers, clock }: Deps,
  request: WaitAppliedRequest,
  signal: AbortSignal,
): Promise<WaitAppliedResponse$Input> {
  const position = Number(request.position)
  const agentIds = [...index.agentsFor(request.entry_ids)]
  const done = new AbortController()
  const until = AbortSignal.any([signal, done.signal])
  const timeoutMs = Math.min(Math.max(request.timeout_ms, 0), maxWaitMs)
  clock.sleep(timeoutMs, done.signal).then(
    () => done.abort(),
    () => {},
  )
  await followers.applied(agentIds, position, until)
  done.abort()
  return {
    agents: agentIds.map((id) => ({
      agent_id: id,
      connected: followers.isConnected(id),
      applied: followers.hasApplied(id, position),
    })),
  }
}
