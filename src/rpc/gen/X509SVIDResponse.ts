import type { X509SVID$Input as _X509SVID$Input, X509SVID as _X509SVID } from './X509SVID.ts';

export interface X509SVIDResponse$Input {
  'svids'?: (_X509SVID$Input)[];
  'crl'?: (Buffer | Uint8Array | string)[];
  'federated_bundles'?: ({[key: string]: Buffer | Uint8Array | string});
}

export interface X509SVIDResponse {
  'svids': (_X509SVID)[];
  'crl': (Buffer)[];
  'federated_bundles': ({[key: string]: Buffer});
}
