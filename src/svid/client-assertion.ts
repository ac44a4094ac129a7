/**
 * draft-ietf-oauth-spiffe-client-auth-02 §3.1: the `client_assertion_type` of a JWT-SVID. The one fact of the draft that a
 * client needs as well; all others stand with the server.
 */
export const jwtSvidAssertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-spiffe'
