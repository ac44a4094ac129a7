import type { Agent$Input as _spire_api_types_Agent$Input, Agent as _spire_api_types_Agent } from '../../../../../spire/api/types/Agent.ts';

export interface ListAgentsResponse$Input {
  'agents'?: (_spire_api_types_Agent$Input)[];
  'next_page_token'?: (string);
}

export interface ListAgentsResponse {
  'agents': (_spire_api_types_Agent)[];
  'next_page_token': (string);
}
