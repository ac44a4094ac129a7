
export interface SubscribeToX509BundlesResponse$Input {
  'ca_certificates'?: ({[key: string]: Buffer | Uint8Array | string});
}

export interface SubscribeToX509BundlesResponse {
  'ca_certificates': ({[key: string]: Buffer});
}
