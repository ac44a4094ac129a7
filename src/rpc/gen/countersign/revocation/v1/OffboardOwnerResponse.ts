import type { RevokeResponse$Input as _countersign_revocation_v1_RevokeResponse$Input, RevokeResponse as _countersign_revocation_v1_RevokeResponse } from '../../../countersign/revocation/v1/RevokeResponse.ts';
import type { Long } from '@grpc/proto-loader';

export interface _countersign_revocation_v1_OffboardOwnerResponse_Entry$Input {
  'id'?: (string);
  'spiffe_id'?: (string);
}

export interface _countersign_revocation_v1_OffboardOwnerResponse_Entry {
  'id': (string);
  'spiffe_id': (string);
}

export interface OffboardOwnerResponse$Input {
  'entries'?: (_countersign_revocation_v1_OffboardOwnerResponse_Entry$Input)[];
  'deleted'?: (number);
  'tokens'?: (number | string | Long);
  'revoked'?: (_countersign_revocation_v1_RevokeResponse$Input | null);
  'more_tokens'?: (boolean);
  'foreign_clients'?: (string)[];
}

export interface OffboardOwnerResponse {
  'entries': (_countersign_revocation_v1_OffboardOwnerResponse_Entry)[];
  'deleted': (number);
  'tokens': (string);
  'revoked': (_countersign_revocation_v1_RevokeResponse | null);
  'more_tokens': (boolean);
  'foreign_clients': (string)[];
}
