const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The text as it is: what is not UTF-8 throws, where Node would put other signs in its place. */
export function fromUtf8(bytes: Uint8Array): string {
  return decoder.decode(bytes)
}
