
export interface WITBundlesResponse$Input {
  'bundles'?: ({[key: string]: string});
}

export interface WITBundlesResponse {
  'bundles': ({[key: string]: string});
}
