/**
 * Decodes base64url without padding (RFC 7515 §2); undefined unless the text is the one spelling of
 * its bytes. Buffer alone would skip foreign characters and take leftover bits for granted.
 */
export function decodeBase64url(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? bytes : undefined
}

/** Decodes standard base64 with padding (RFC 4648 §4), on the same terms. */
export function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : undefined
}
