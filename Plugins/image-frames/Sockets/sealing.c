#include "image_frames.h"

#include <limits.h>
#include <openssl/evp.h>
#include <string.h>

int imf_seal(const uint8_t *key, const uint8_t *nonce, const uint8_t *text, uint64_t count, uint8_t *out) {
  int length = 0, rest = 0;
  if (count > INT_MAX) return 0;
  EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
  memcpy(out, nonce, IMF_NONCE);
  int done = cipher && EVP_EncryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
             EVP_EncryptUpdate(cipher, out + IMF_NONCE, &length, text, (int)count) == 1 &&
             EVP_EncryptFinal_ex(cipher, out + IMF_NONCE + length, &rest) == 1 &&
             EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_GET_TAG, IMF_TAG, out + IMF_NONCE + count) == 1;
  EVP_CIPHER_CTX_free(cipher);
  return done;
}

int imf_open(const uint8_t *key, const uint8_t *sealed, uint64_t count, uint8_t *out) {
  int length = 0, rest = 0;
  if (count < IMF_NONCE + IMF_TAG || count > INT_MAX) return 0;
  uint64_t text = count - IMF_NONCE - IMF_TAG;
  EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
  int done = cipher && EVP_DecryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, key, sealed) == 1 &&
             EVP_DecryptUpdate(cipher, out, &length, sealed + IMF_NONCE, (int)text) == 1 &&
             EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_SET_TAG, IMF_TAG, (void *)(sealed + IMF_NONCE + text)) == 1 &&
             EVP_DecryptFinal_ex(cipher, out + length, &rest) == 1;
  EVP_CIPHER_CTX_free(cipher);
  return done;
}
