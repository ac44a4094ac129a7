
export interface JWTBundlesResponse$Input {
  'bundles'?: ({[key: string]: Buffer | Uint8Array | string});
}

export interface JWTBundlesResponse {
  'bundles': ({[key: string]: Buffer});
}
