import type { LogLevel$Input as _spire_api_types_LogLevel$Input, LogLevel as _spire_api_types_LogLevel } from '../../../../../spire/api/types/LogLevel.ts';

export interface SetLogLevelRequest$Input {
  'new_level'?: (_spire_api_types_LogLevel$Input);
}

export interface SetLogLevelRequest {
  'new_level': (_spire_api_types_LogLevel);
}
