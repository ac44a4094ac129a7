
export interface AgentX509SVIDParams$Input {
  'csr'?: (Buffer | Uint8Array | string);
}

export interface AgentX509SVIDParams {
  'csr': (Buffer);
}
