/** The grant of RFC 8693 §2.1. */
export const tokenExchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange'

/** What is shown and what is asked for: RFC 8693 §3, and our own for a certificate chain in PEM for the key of a `csr`. */
export const tokenTypes = {
  accessToken: 'urn:ietf:params:oauth:token-type:access_token',
  idToken: 'urn:ietf:params:oauth:token-type:id_token',
  jwt: 'urn:ietf:params:oauth:token-type:jwt',
  x509Svid: 'urn:countersign:token-type:x509-svid',
} as const
