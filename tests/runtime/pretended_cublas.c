// cuBLAS as its documentation has it, on the host's memory and one number after another: column-major, the result
// alpha op(A) op(B) + beta C, C not read where beta is 0. It writes down what it was told, and fails where it is asked to.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct context {
  void* stream;
  int math;
};

int pretended_handles = 0;  // created and not yet destroyed
void* pretended_stream = 0;
int pretended_math = -1;  // those of the last product
char pretended_last[64] = "";
char pretended_failing[64] = "";  // the function that fails next, once
int pretended_status = 0;

static int failed(const char* name) {
  if (strcmp(name, pretended_failing) != 0) return 0;
  pretended_failing[0] = 0;
  return pretended_status;
}

int cublasCreate_v2(struct context** handle) {
  if (failed("cublasCreate_v2")) return pretended_status;
  *handle = calloc(1, sizeof(struct context));
  pretended_handles++;
  return 0;
}

int cublasDestroy_v2(struct context* handle) {
  free(handle);
  pretended_handles--;
  return 0;
}

int cublasSetStream_v2(struct context* handle, void* stream) {
  if (failed("cublasSetStream_v2")) return pretended_status;
  handle->stream = stream;
  return 0;
}

int cublasSetMathMode(struct context* handle, int mode) {
  if (failed("cublasSetMathMode")) return pretended_status;
  handle->math = mode;
  return 0;
}

#define GEMM(NAME, NUMBER, STRIDE_A, STRIDE_B, STRIDE_C, COUNT, PARAMETERS)                                          \
  int NAME PARAMETERS {                                                                                               \
    if (failed(#NAME)) return pretended_status;                                                                       \
    if (!handle || m < 0 || n < 0 || k < 0 || (COUNT) < 0) return 7;                                                  \
    if (transa < 0 || transa > 2 || transb < 0 || transb > 2) return 7;                                               \
    if (lda < 1 || lda < (transa ? k : m) || ldb < 1 || ldb < (transb ? n : k) || ldc < 1 || ldc < m) return 7;       \
    strcpy(pretended_last, #NAME);                                                                                    \
    pretended_stream = handle->stream;                                                                                \
    pretended_math = handle->math;                                                                                    \
    for (int64_t batch = 0; batch < (COUNT); batch++) {                                                               \
      const NUMBER *a = A + batch * (STRIDE_A), *b = B + batch * (STRIDE_B);                                          \
      NUMBER* c = C + batch * (STRIDE_C);                                                                             \
      for (int64_t j = 0; j < n; j++)                                                                                 \
        for (int64_t i = 0; i < m; i++) {                                                                             \
          NUMBER sum = 0;                                                                                             \
          for (int64_t l = 0; l < k; l++)                                                                             \
            sum += a[transa ? l + i * lda : i + l * lda] * b[transb ? j + l * ldb : l + j * ldb];                     \
          c[i + j * ldc] = *alpha * sum + (*beta == 0 ? 0 : *beta * c[i + j * ldc]);                                  \
        }                                                                                                             \
    }                                                                                                                 \
    return 0;                                                                                                         \
  }

#define ONE(NAME, NUMBER, SIZE)                                                                                       \
  GEMM(NAME, NUMBER, 0, 0, 0, 1,                                                                              \
       (struct context * handle, int transa, int transb, SIZE m, SIZE n, SIZE k, const NUMBER* alpha, const NUMBER* A, \
        SIZE lda, const NUMBER* B, SIZE ldb, const NUMBER* beta, NUMBER* C, SIZE ldc))

#define MANY(NAME, NUMBER, SIZE)                                                                                      \
  GEMM(NAME, NUMBER, stride_a, stride_b, stride_c, count,                                                     \
       (struct context * handle, int transa, int transb, SIZE m, SIZE n, SIZE k, const NUMBER* alpha, const NUMBER* A, \
        SIZE lda, long long stride_a, const NUMBER* B, SIZE ldb, long long stride_b, const NUMBER* beta, NUMBER* C,   \
        SIZE ldc, long long stride_c, SIZE count))

ONE(cublasSgemm_v2, float, int)
ONE(cublasDgemm_v2, double, int)
MANY(cublasSgemmStridedBatched, float, int)
MANY(cublasDgemmStridedBatched, double, int)
MANY(cublasDgemmStridedBatched_64, double, int64_t)
