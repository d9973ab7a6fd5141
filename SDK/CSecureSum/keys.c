#include "secure_sum.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/core_names.h>
#include <string.h>

int css_public(const uint8_t *secret, uint8_t *public_key) {
  size_t size = CSS_KEY;
  EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, secret, CSS_KEY);
  int done = key && EVP_PKEY_get_raw_public_key(key, public_key, &size) == 1;
  EVP_PKEY_free(key);
  return done;
}

int css_agree(const uint8_t *secret, const uint8_t *public_key, uint8_t *shared) {
  size_t size = CSS_KEY;
  EVP_PKEY *own = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, secret, CSS_KEY);
  EVP_PKEY *peer = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, public_key, CSS_KEY);
  EVP_PKEY_CTX *context = own ? EVP_PKEY_CTX_new(own, NULL) : NULL;
  int done = peer && context && EVP_PKEY_derive_init(context) == 1 && EVP_PKEY_derive_set_peer(context, peer) == 1 &&
             EVP_PKEY_derive(context, shared, &size) == 1 && size == CSS_KEY;
  EVP_PKEY_CTX_free(context);
  EVP_PKEY_free(peer);
  EVP_PKEY_free(own);
  return done;
}

int css_derive(
    const uint8_t *secret, size_t secret_count, const uint8_t *purpose, size_t purpose_count, uint8_t *out,
    size_t count) {
  EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
  EVP_KDF_CTX *context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret, secret_count),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)purpose, purpose_count),
      OSSL_PARAM_construct_end(),
  };
  int done = context && EVP_KDF_derive(context, out, count, parameters) == 1;
  EVP_KDF_CTX_free(context);
  EVP_KDF_free(kdf);
  return done;
}

static const uint8_t no_nonce[12];

int css_seal(const uint8_t *key, const uint8_t *text, size_t count, uint8_t *out) {
  int length = 0, rest = 0;
  if (count > INT_MAX) return 0;
  EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
  int done = cipher && EVP_EncryptInit_ex(cipher, EVP_chacha20_poly1305(), NULL, key, no_nonce) == 1 &&
             EVP_EncryptUpdate(cipher, out, &length, text, (int)count) == 1 &&
             EVP_EncryptFinal_ex(cipher, out + length, &rest) == 1 &&
             EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, CSS_TAG, out + count) == 1;
  EVP_CIPHER_CTX_free(cipher);
  return done;
}

int css_open(const uint8_t *key, const uint8_t *sealed, size_t count, uint8_t *text) {
  int length = 0, rest = 0;
  if (count < CSS_TAG || count > INT_MAX) return 0;
  size_t size = count - CSS_TAG;
  EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
  int done = cipher && EVP_DecryptInit_ex(cipher, EVP_chacha20_poly1305(), NULL, key, no_nonce) == 1 &&
             EVP_DecryptUpdate(cipher, text, &length, sealed, (int)size) == 1 &&
             EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, CSS_TAG, (void *)(sealed + size)) == 1 &&
             EVP_DecryptFinal_ex(cipher, text + length, &rest) == 1;
  EVP_CIPHER_CTX_free(cipher);
  return done;
}
