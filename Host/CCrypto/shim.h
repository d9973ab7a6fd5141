#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* OpenSSL has these as macros, which Swift does not see. */
static inline long ctls_least_version(SSL_CTX *context, int version) {
  return SSL_CTX_set_min_proto_version(context, version);
}
static inline long ctls_mode(SSL_CTX *context, long mode) { return SSL_CTX_set_mode(context, mode); }
static inline long ctls_server_name(SSL *session, const char *name) {
  return SSL_set_tlsext_host_name(session, name);
}
static inline long ctls_no_session_cache(SSL_CTX *context) {
  return SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}
/* A read of the socket takes as much as `bytes` of it, so several records at once; that room is kept. */
static inline void ctls_read_ahead(SSL_CTX *context, size_t bytes) {
  SSL_CTX_clear_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_read_buffer_len(context, bytes);
}
static inline long ctls_note_read(BIO *socket, int what, const char *room, size_t asked, int a, long b, int result,
                                  size_t *got) {
  (void)room, (void)a, (void)b;
  if (what == (BIO_CB_READ | BIO_CB_RETURN) && result > 0)
    BIO_set_callback_arg(socket, *got < asked ? (char *)socket : NULL);
  return result;
}
/* From now on it is known whether a read of the socket got less than it asked for, and so all that had come. The
 * session has its socket already. */
static inline void ctls_note_reads(SSL *session) { BIO_set_callback_ex(SSL_get_rbio(session), ctls_note_read); }
/* Whether the socket had nothing more, and OpenSSL has nothing left of it either. */
static inline int ctls_has_read_all(SSL *session) {
  return BIO_get_callback_arg(SSL_get_rbio(session)) && !SSL_has_pending(session);
}
/* What is written gathers in room for `bytes`, and leaves for the socket when that is full, or by `ctls_push`. The
 * session has its socket already. */
static inline int ctls_gather(SSL *session, size_t bytes) {
  BIO *gatherer = BIO_new(BIO_f_buffer());
  if (!gatherer) return 0;
  if (BIO_set_write_buffer_size(gatherer, (long)bytes) != 1) {
    BIO_free(gatherer);
    return 0;
  }
  BIO *socket = SSL_get_wbio(session);
  BIO_up_ref(socket);
  SSL_set0_wbio(session, BIO_push(gatherer, socket));
  return 1;
}
/* 1 when all has left. */
static inline int ctls_push(SSL *session) { return BIO_flush(SSL_get_wbio(session)); }
static inline int ctls_push_may_be_tried_again(SSL *session) { return BIO_should_retry(SSL_get_wbio(session)); }
/* What belongs to a context or session beside OpenSSL's own, for its callbacks. */
static inline void ctls_set_context_data(SSL_CTX *context, void *data) { SSL_CTX_set_app_data(context, data); }
static inline void *ctls_context_data(SSL *session) { return SSL_CTX_get_app_data(SSL_get_SSL_CTX(session)); }
static inline void ctls_set_data(SSL *session, void *data) { SSL_set_app_data(session, data); }
static inline void *ctls_data(SSL *session) { return SSL_get_app_data(session); }
static inline int ctls_reason(unsigned long code) { return ERR_GET_REASON(code); }
static inline void ctls_no_renegotiation(SSL_CTX *context) {
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
}
