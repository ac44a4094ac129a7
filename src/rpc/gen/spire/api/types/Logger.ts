import type { LogLevel$Input as _spire_api_types_LogLevel$Input, LogLevel as _spire_api_types_LogLevel } from '../../../spire/api/types/LogLevel.ts';

export interface Logger$Input {
  'current_level'?: (_spire_api_types_LogLevel$Input);
  'launch_level'?: (_spire_api_types_LogLevel$Input);
}

export interface Logger {
  'current_level': (_spire_api_types_LogLevel);
  'launch_level': (_spire_api_types_LogLevel);
}
