
export interface SubscribeToJWTBundlesResponse$Input {
  'bundles'?: ({[key: string]: Buffer | Uint8Array | string});
}

export interface SubscribeToJWTBundlesResponse {
  'bundles': ({[key: string]: Buffer});
}
