import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadSync, type MessageTypeDefinition, type PackageDefinition } from '@grpc/proto-loader'
import { packageFolder } from '../runtime/package-folder.ts'
import { protoFiles, type ServiceName } from './services.ts'

/** One `.proto` file as gRPC's reflection hands it out. */
export interface DescribedFile {
  /** As others import it: `spiffe/workload.proto`. */
  readonly name: string
  readonly imports: readonly string[]
  /** Full names of its services, their methods, and its types. */
  readonly symbols: readonly string[]
  /** A `google.protobuf.FileDescriptorProto`. */
  readonly bytes: Buffer
}

/** The parts of descriptor.proto that are looked at here; the others pass through. */
interface FileProto {
  readonly name: string
  readonly package?: string
  readonly dependency?: readonly string[]
  readonly messageType?: readonly MessageProto[]
  readonly enumType?: readonly Named[]
  readonly service?: readonly ServiceProto[]
}
interface Named {
  name: string
}
interface FieldProto extends Named {
  typeName?: string
}
interface MessageProto extends Named {
  readonly field?: readonly FieldProto[]
  readonly nestedType?: readonly (MessageProto & {
    readonly options?: { readonly mapEntry?: boolean }
  })[]
  readonly enumType?: readonly Named[]
}
interface ServiceProto extends Named {
  readonly method?: readonly Named[]
}

/**
 * The files that define these services, and all that they import, by name. The loader describes whole
 * packages, without imports and under names of its own for the entries of maps; what comes out here is
 * what a compiler makes of each file, so that tools can link it.
 */
export function describeFiles(
  services: readonly ServiceName[],
): ReadonlyMap<string, DescribedFile> {
  const codec = fileCodec()
  const load = fileLoader()
  const described = new Map<string, DescribedFile>()
  const waiting: string[] = services.map((service) => protoFiles[service])
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (described.has(name)) continue
    const file = describe(name, codec, load)
    described.set(name, file)
    waiting.push(...file.imports)
  }
  return described
}

type FileCodec = MessageTypeDefinition<FileProto, FileProto>

function fileCodec(): FileCodec {
  // Without defaults: what is not there must not be written as a value that is.
  const loaded = loadSync('google/protobuf/descriptor.proto', { enums: String, longs: String })
  return loaded['google.protobuf.FileDescriptorProto'] as unknown as FileCodec
}

function describe(
  name: string,
  codec: FileCodec,
  load: (name: string) => PackageDefinition,
): DescribedFile {
  const { scope, imports } = headOf(name)
  const definitions = load(name)
  const imported = new Set(imports.flatMap((one) => Object.keys(load(one))))
  const isOwn = (one: Named): boolean => !imported.has(within(scope, one.name))
  const packages = packagesOf(definitions, codec)
  const merged = packages.find((one) => (one.package ?? '') === scope)
  if (merged === undefined) throw new Error(`${name} is not described`)
  const messages = (merged.messageType ?? []).filter(isOwn)
  const file: FileProto = {
    ...merged,
    name,
    dependency: imports,
    messageType: messages,
    enumType: (merged.enumType ?? []).filter(isOwn),
    service: (merged.service ?? []).filter(isOwn),
  }
  const types = new Set(packages.flatMap(typesOf))
  for (const message of messages) mend(message, within(scope, message.name), types)
  if (isBundled(name)) inSnakeCase(messages)
  return {
    name,
    imports,
    symbols: [...callsOf(file), ...typesOf(file)],
    bytes: codec.serialize(file),
  }
}

/** Reads each file once; what it keeps goes with it. */
function fileLoader(): (name: string) => PackageDefinition {
  const loaded = new Map<string, PackageDefinition>()
  const includeDirs = [join(packageFolder, 'proto')]
  return (name) => {
    // The loader would look for its own in the folders that it is given, and warn.
    const options = isBundled(name) ? {} : { keepCase: true, includeDirs }
    const definitions = loaded.get(name) ?? loadSync(name, options)
    loaded.set(name, definitions)
    return definitions
  }
}

/** These come with the loader, import nothing, and have fields in camel case. */
function isBundled(name: string): boolean {
  return name.startsWith('google/protobuf/')
}

function headOf(name: string): { readonly scope: string; readonly imports: readonly string[] } {
  if (isBundled(name)) return { scope: 'google.protobuf', imports: [] }
  const text = readFileSync(join(packageFolder, 'proto', name), 'utf8')
  return {
    scope: /^package ([\w.]+);/m.exec(text)?.[1] ?? '',
    imports: [...text.matchAll(/^import "([^"]+)";/gm)].map((match) => match[1] ?? ''),
  }
}

function within(scope: string, name: string): string {
  return scope === '' ? name : `${scope}.${name}`
}

/** What the loader says of each package: everything in it, from whichever file. */
function packagesOf(definitions: PackageDefinition, codec: FileCodec): readonly FileProto[] {
  for (const definition of Object.values(definitions)) {
    const files: unknown = definition.fileDescriptorProtos
    if (Array.isArray(files)) return files.map((bytes) => codec.deserialize(bytes))
  }
  throw new Error('these definitions have no descriptors')
}

/** Gives the entries of maps the names that compilers give them, and types their full names. */
function mend(message: MessageProto, scope: string, types: ReadonlySet<string>): void {
  const entries = new Map<string, string>()
  for (const field of message.field ?? []) {
    const nested = message.nestedType?.find(
      ({ name, options }) => name === field.typeName && options?.mapEntry === true,
    )
    if (nested === undefined) continue
    nested.name = mapEntryName(field.name)
    entries.set(field.typeName ?? '', nested.name)
  }
  for (const field of message.field ?? []) {
    if (!field.typeName || field.typeName.startsWith('.')) continue
    const entry = entries.get(field.typeName)
    field.typeName = `.${entry === undefined ? fullName(field.typeName, scope, types) : within(scope, entry)}`
  }
  for (const nested of message.nestedType ?? []) mend(nested, within(scope, nested.name), types)
}

/** `federated_bundles` → `FederatedBundlesEntry`. */
function mapEntryName(field: string): string {
  const words = field.split('_').map((word) => word.charAt(0).toUpperCase() + word.slice(1))
  return `${words.join('')}Entry`
}

/** A name is looked up in the innermost scope first. */
function fullName(name: string, from: string, types: ReadonlySet<string>): string {
  for (let scope = from; ; scope = scope.slice(0, Math.max(0, scope.lastIndexOf('.')))) {
    const candidate = within(scope, name)
    if (types.has(candidate)) return candidate
    if (scope === '') throw new Error(`the type ${name} is not known in ${from}`)
  }
}

function inSnakeCase(messages: readonly MessageProto[]): void {
  for (const { field = [] } of messages) {
    for (const one of field) one.name = one.name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`)
  }
}

function typesOf(file: FileProto): readonly string[] {
  const ofMessage = (message: MessageProto, from: string): string[] => {
    const name = within(from, message.name)
    return [
      name,
      ...(message.enumType ?? []).map((one) => within(name, one.name)),
      ...(message.nestedType ?? []).flatMap((one) => ofMessage(one, name)),
    ]
  }
  const scope = file.package ?? ''
  return [
    ...(file.messageType ?? []).flatMap((message) => ofMessage(message, scope)),
    ...(file.enumType ?? []).map((one) => within(scope, one.name)),
  ]
}

function callsOf(file: FileProto): readonly string[] {
  return (file.service ?? []).flatMap(({ name, method = [] }) => {
    const service = within(file.package ?? '', name)
    return [service, ...method.map((one) => within(service, one.name))]
  })
}
