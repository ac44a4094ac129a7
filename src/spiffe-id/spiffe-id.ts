declare const trustDomainBrand: unique symbol
declare const spiffeIdBrand: unique symbol

/** A trust domain's name, `example.org`: valid, lower case, no scheme. A string that only `TrustDomain.parse` makes. */
export type TrustDomain = string & { readonly [trustDomainBrand]: true }

/** A whole SPIFFE ID, `spiffe://example.org/web`: valid and canonical, so that `===` compares. Only `SpiffeId.parse` and `SpiffeId.of` make one. */
export type SpiffeId = string & { readonly [spiffeIdBrand]: true }
