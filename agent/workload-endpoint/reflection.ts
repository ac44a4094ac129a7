import { status } from '@grpc/grpc-js'
import { CountersignError } from '../../src/errors.ts'
import { type DescribedFile, describeFiles } from '../../src/rpc/file-descriptors.ts'
import type { ServerReflectionRequest } from '../../src/rpc/gen/grpc/reflection/v1/ServerReflectionRequest.ts'
import type { ServerReflectionResponse$Input } from '../../src/rpc/gen/grpc/reflection/v1/ServerReflectionResponse.ts'
import type { ServiceName } from '../../src/rpc/services.ts'

/** What there is to tell of the services of an endpoint; nothing of it depends on who asks. */
export interface Reflection {
  /** Throws `invalid` (`reflection-request`) for a request that asks nothing, or at too great length. */
  answer(request: ServerReflectionRequest): ServerReflectionResponse$Input
}

/** Requests of one stream; a tool that shows all there is asks once a file and a type. */
export const maxReflectionRequests = 1024
/** A request comes back with its answer. */
const maxNameLength = 512

/** The files are read and described when the first of them is asked for. */
export function createReflection(services: readonly ServiceName[]): Reflection {
  let known: Described | undefined
  const described = (): Described => {
    known ??= describe(services)
    return known
  }
  return {
    answer(request) {
      check(request)
      return {
        valid_host: request.host,
        original_request: request,
        ...answerTo(request, services, described),
      }
    },
  }
}

interface Described {
  readonly files: ReadonlyMap<string, DescribedFile>
  readonly bySymbol: ReadonlyMap<string, DescribedFile>
}

function describe(services: readonly ServiceName[]): Described {
  const files = describeFiles(services)
  const bySymbol = new Map<string, DescribedFile>()
  for (const file of files.values()) {
    for (const symbol of file.symbols) bySymbol.set(symbol, file)
  }
  return { files, bySymbol }
}

function answerTo(
  request: ServerReflectionRequest,
  services: readonly ServiceName[],
  described: () => Described,
): ServerReflectionResponse$Input {
  switch (request.message_request) {
    case 'list_services':
      return { list_services_response: { service: services.map((name) => ({ name })) } }
    case 'file_by_filename':
      return fileResponse(described(), described().files.get(request.file_by_filename ?? ''))
    case 'file_containing_symbol':
      return fileResponse(
        described(),
        described().bySymbol.get(request.file_containing_symbol ?? ''),
      )
    case 'all_extension_numbers_of_type': {
      const name = request.all_extension_numbers_of_type ?? ''
      return described().bySymbol.has(name)
        ? { all_extension_numbers_response: { base_type_name: name, extension_number: [] } }
        : notFound()
    }
    default:
      return notFound()
  }
}

/** The file and what it imports, so that one answer is enough to link it. */
function fileResponse(
  { files }: Described,
  file: DescribedFile | undefined,
): ServerReflectionResponse$Input {
  if (file === undefined) return notFound()
  const chosen = new Set([file])
  for (const { imports } of chosen) {
    for (const name of imports) {
      const imported = files.get(name)
      if (imported !== undefined) chosen.add(imported)
    }
  }
  return {
    file_descriptor_response: { file_descriptor_proto: [...chosen].map(({ bytes }) => bytes) },
  }
}

function notFound(): ServerReflectionResponse$Input {
  return {
    error_response: { error_code: status.NOT_FOUND, error_message: 'there is no such thing' },
  }
}

function check(request: ServerReflectionRequest): void {
  const texts = [
    request.host,
    request.file_by_filename,
    request.file_containing_symbol,
    request.file_containing_extension?.containing_type,
    request.all_extension_numbers_of_type,
    request.list_services,
  ]
  if (texts.some((text) => (text?.length ?? 0) > maxNameLength)) {
    throw invalid(`a name is of at most ${maxNameLength} characters`)
  }
  if (request.message_request === undefined) throw invalid('the request asks nothing')
}

function invalid(message: string): CountersignError {
  return new CountersignError('invalid', message, { reason: 'reflection-request' })
}
