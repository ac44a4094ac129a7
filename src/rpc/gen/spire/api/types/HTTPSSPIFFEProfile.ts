
export interface HTTPSSPIFFEProfile$Input {
  'endpoint_spiffe_id'?: (string);
}

export interface HTTPSSPIFFEProfile {
  'endpoint_spiffe_id': (string);
}
