/* What every program in C begins with: elementary functions that compilers turn into vector instructions, and NumPy's
   remainders. No tables, no branches, no libm where a loop is to be vectorised. NaN and infinities are as
   in C99; largest errors, as tests/autograd/compiler/targets/c/test_functions.py measures them: exp, log, log1p, expm1
   2 ulp, tanh 3 ulp. -ffast-math would break the reductions of ranges and must not be used. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* The layout of NumPy's arrays in memory, after the GG_HEADER bytes with which all Python objects begin */
#define GG_EXPORT __attribute__((visibility("default")))
#define GG_DATA(object) (*(void **)((object) + GG_HEADER))
#define GG_PLAIN(object, type) (*(const void **)((object) + GG_HEADER - sizeof(void *)) == (type) \
    && (*(const int *)((object) + GG_HEADER + 6 * sizeof(void *)) & 0x101) == 0x101)

/* cblas_sgemm and cblas_dgemm: order, transposes, m, n, k, alpha, a, its rows, b, its rows, beta, c, its rows */
typedef GG_INT gg_int;
typedef void gg_sgemm(int, int, int, gg_int, gg_int, gg_int, float, const float *, gg_int, const float *, gg_int,
                      float, float *, gg_int);
typedef void gg_dgemm(int, int, int, gg_int, gg_int, gg_int, double, const double *, gg_int, const double *, gg_int,
                      double, double *, gg_int);

/* Products are fused with sums within an operation, never across: sqrt(a * a - b * b) of equal numbers is 0. */
#if defined __FMA__ || defined __ARM_FEATURE_FMA
#define GG_FMA(x, y, z) _Generic((x), float: __builtin_fmaf, default: __builtin_fma)(x, y, z)
#else
#define GG_FMA(x, y, z) ((x) * (y) + (z))
#endif
#ifdef __clang__
#define GG_FUSED
#else
#define GG_FUSED __attribute__((optimize("fp-contract=fast")))
#endif

/* A product that is rounded before it is added, also within GG_FUSED; in memory where a register may be too small for it */
#ifdef __AVX512F__
#define GG_APART(x) ({ __typeof__(x) apart = (x); __asm__("" : "+v"(apart)); apart; })
#else
#define GG_APART(x) ({ __typeof__(x) apart = (x); __asm__("" : "+m"(apart)); apart; })
#endif

#define GG static inline __attribute__((always_inline, unused))
#define GG_CALL static __attribute__((unused))

GG int32_t gg_bitsf(float x) { union { float x; int32_t bits; } u = {x}; return u.bits; }
GG float gg_numberf(int32_t bits) { union { int32_t bits; float x; } u = {bits}; return u.x; }
GG int64_t gg_bits(double x) { union { double x; int64_t bits; } u = {x}; return u.bits; }
GG double gg_number(int64_t bits) { union { int64_t bits; double x; } u = {bits}; return u.x; }

/* Vectors of registers, which may lie at any address of a number */
#define GG_VECTOR(kind, n) typedef kind gg_##kind##n __attribute__((vector_size(n * sizeof(kind)), aligned(sizeof(kind)), may_alias));
GG_VECTOR(float, 2) GG_VECTOR(float, 4) GG_VECTOR(float, 8) GG_VECTOR(float, 16)
GG_VECTOR(double, 2) GG_VECTOR(double, 4) GG_VECTOR(double, 8)

#if defined __clang__ || __GNUC__ >= 12
#define GG_SHUFFLED(x, y, number, ...) __builtin_shufflevector(x, y, __VA_ARGS__)
#define GG_JOINED(half, whole, x, y, ...) __builtin_shufflevector(x, y, __VA_ARGS__)
#else
#define GG_JOINED(half, whole, x, y, ...) ((union { half halves[2]; whole both; }){{x, y}}.both)
#define GG_SHUFFLED(x, y, number, ...) __builtin_shuffle(x, y, (number __attribute__((vector_size(4 * sizeof(number))))){__VA_ARGS__})
#endif

/* z[i][j] = x[j][i], of which m times n lie row by row: four by four, and eight of a row while they are in the cache */
#define GG_TRANSPOSE(name, kind, whole) \
    GG_CALL void name(long m, long n, const kind *restrict x, long step, kind *restrict z) { \
        const long rows = m / 4 * 4, columns = n / 4 * 4; \
        for (long first = 0; first < rows; first += 8) for (long j = 0; j < columns; j += 4) \
        for (long i = first; i < rows && i < first + 8; i += 4) { \
            const kind *const from = x + j * step + i; \
            const gg_##kind##4 a = *(const gg_##kind##4 *)from, b = *(const gg_##kind##4 *)(from + step); \
            const gg_##kind##4 c = *(const gg_##kind##4 *)(from + 2 * step), d = *(const gg_##kind##4 *)(from + 3 * step); \
            const gg_##kind##4 ac = GG_SHUFFLED(a, c, whole, 0, 4, 1, 5), ca = GG_SHUFFLED(a, c, whole, 2, 6, 3, 7); \
            const gg_##kind##4 bd = GG_SHUFFLED(b, d, whole, 0, 4, 1, 5), db = GG_SHUFFLED(b, d, whole, 2, 6, 3, 7); \
            *(gg_##kind##4 *)(z + i * n + j) = GG_SHUFFLED(ac, bd, whole, 0, 4, 1, 5); \
            *(gg_##kind##4 *)(z + (i + 1) * n + j) = GG_SHUFFLED(ac, bd, whole, 2, 6, 3, 7); \
            *(gg_##kind##4 *)(z + (i + 2) * n + j) = GG_SHUFFLED(ca, db, whole, 0, 4, 1, 5); \
            *(gg_##kind##4 *)(z + (i + 3) * n + j) = GG_SHUFFLED(ca, db, whole, 2, 6, 3, 7); \
        } \
        for (long i = 0; i < m; i++) for (long j = i < rows ? columns : 0; j < n; j++) z[i * n + j] = x[j * step + i]; \
    }
GG_TRANSPOSE(gg_transposef, float, int32_t)
GG_TRANSPOSE(gg_transpose, double, int64_t)

/* z[i] = sum of x[i][p] y[p], m sums of n products: short ones four at a time, long ones in parts */
#define GG_DOTS(name, kind, whole) \
    GG_CALL GG_FUSED void name(long m, long n, const kind *restrict x, long step, const kind *restrict y, kind *restrict z, \
                               long down) { \
        long i = 0; \
        if (n % 4 == 0 && n <= 64) for (; i + 4 <= m; i += 4) { \
            const kind *const first = x + i * step; \
            gg_##kind##4 a = {0}, b = {0}, c = {0}, d = {0}; \
            for (long p = 0; p < n; p += 4) { \
                const gg_##kind##4 right = *(const gg_##kind##4 *)(y + p); \
                a += *(const gg_##kind##4 *)(first + p) * right; \
                b += *(const gg_##kind##4 *)(first + step + p) * right; \
                c += *(const gg_##kind##4 *)(first + 2 * step + p) * right; \
                d += *(const gg_##kind##4 *)(first + 3 * step + p) * right; \
            } \
            const gg_##kind##4 ab = GG_SHUFFLED(a, b, whole, 0, 4, 1, 5) + GG_SHUFFLED(a, b, whole, 2, 6, 3, 7); \
            const gg_##kind##4 cd = GG_SHUFFLED(c, d, whole, 0, 4, 1, 5) + GG_SHUFFLED(c, d, whole, 2, 6, 3, 7); \
            const gg_##kind##4 sums = GG_SHUFFLED(ab, cd, whole, 0, 1, 4, 5) + GG_SHUFFLED(ab, cd, whole, 2, 3, 6, 7); \
            for (long r = 0; r < 4; r++) z[(i + r) * down] = sums[r]; \
        } \
        for (; i < m; i++) { \
            double sum = 0; \
            for (long start = 0; start < n; start += 1024) { \
                const long end = start + 1024 < n ? start + 1024 : n; \
                kind part = 0; \
                _Pragma("omp simd reduction(+:part)") \
                for (long p = start; p < end; p++) part += x[i * step + p] * y[p]; \
                sum += part; \
            } \
            z[i * down] = (kind)sum; \
        } \
    }
GG_DOTS(gg_dotsf, float, int32_t)
GG_DOTS(gg_dots, double, int64_t)

/* 2^n for whole n of normal numbers */
GG float gg_power2f(int32_t n) { return gg_numberf((int32_t)((uint32_t)(n + 127) << 23)); }
GG double gg_power2(int64_t n) { return gg_number((int64_t)((uint64_t)(n + 1023) << 52)); }

/* x = n ln 2 + r with |r| <= ln 2 / 2. Adding 3 * 2^22 (3 * 2^51) rounds to a whole number, which is in the low bits. */
GG float gg_reducef(float x, int32_t *n) {
    const float shifted = GG_FMA(x, 0x1.715476p+0f, 0x1.8p+23f), whole = shifted - 0x1.8p+23f;
    *n = gg_bitsf(shifted) - 0x4b400000;
    return GG_FMA(whole, -0x1.7f7d1cp-20f, GG_FMA(whole, -0x1.62e4p-1f, x));
}
GG double gg_reduce(double x, int64_t *n) {
    const double shifted = GG_FMA(x, 0x1.71547652b82fep+0, 0x1.8p+52), whole = shifted - 0x1.8p+52;
    *n = gg_bits(shifted) - 0x4338000000000000;
    return GG_FMA(whole, -0x1.a39ef35793c76p-33, GG_FMA(whole, -0x1.62e42feep-1, x));
}

/* NaN goes through, as in NumPy. Bits are masked, as conditions in a row would be branches. */
#define GG_EXTREME(name, sign) \
    GG float name##f(float a, float b) { \
        const int32_t mask = -(int32_t)((a sign b) | (a != a)); \
        return gg_numberf((gg_bitsf(a) & mask) | (gg_bitsf(b) & ~mask)); \
    } \
    GG double name(double a, double b) { \
        const int64_t mask = -(int64_t)((a sign b) | (a != a)); \
        return gg_number((gg_bits(a) & mask) | (gg_bits(b) & ~mask)); \
    } \
    GG int64_t name##_whole(int64_t a, int64_t b) { return a sign b ? a : b; }
GG_EXTREME(gg_larger, >)
GG_EXTREME(gg_smaller, <)
#define gg_maximum(a, b) _Generic((a), float: gg_largerf, double: gg_larger, default: gg_larger_whole)(a, b)
#define gg_minimum(a, b) _Generic((a), float: gg_smallerf, double: gg_smaller, default: gg_smaller_whole)(a, b)

/* exp(r) - 1 for |r| <= ln 2 / 2: r + r^2 P(r), P by Chebyshev interpolation */
GG float gg_small_expm1f(float r) {
    float p = 0.0013926250831497611f;
    p = GG_FMA(p, r, 0.008363232883682618f);
    p = GG_FMA(p, r, 0.04166655421298415f);
    p = GG_FMA(p, r, 0.16666576666119928f);
    p = GG_FMA(p, r, 0.5f);
    return GG_FMA(p, r * r, r);
}
GG double gg_small_expm1(double r) {
    double p = 2.09147553258932e-09;
    p = GG_FMA(p, r, 2.5105312729622103e-08);
    p = GG_FMA(p, r, 2.755727347871858e-07);
    p = GG_FMA(p, r, 2.755725517000089e-06);
    p = GG_FMA(p, r, 2.480158732567746e-05);
    p = GG_FMA(p, r, 0.0001984126987500228);
    p = GG_FMA(p, r, 0.0013888888888883711);
    p = GG_FMA(p, r, 0.008333333333326084);
    p = GG_FMA(p, r, 0.04166666666666667);
    p = GG_FMA(p, r, 0.1666666666666667);
    p = GG_FMA(p, r, 0.5);
    return GG_FMA(p, r * r, r);
}

/* 2^n is multiplied in two factors, so that results end in denormal numbers and in infinity. */
GG float gg_expf(float x) {
    int32_t n;
    x = x > 89.0f ? 89.0f : x;
    x = x < -104.0f ? -104.0f : x;
    const float q = gg_small_expm1f(gg_reducef(x, &n)) + 1.0f;
    const int32_t half = n >> 1;
    return q * gg_power2f(half) * gg_power2f(n - half);
}
GG double gg_exp(double x) {
    int64_t n;
    x = x > 710.0 ? 710.0 : x;
    x = x < -746.0 ? -746.0 : x;
    const double q = gg_small_expm1(gg_reduce(x, &n)) + 1.0;
    const int64_t half = n >> 1;
    return q * gg_power2(half) * gg_power2(n - half);
}

/* exp(x) - 1 = (2^n - 1) + 2^n (exp(r) - 1) */
GG float gg_expm1f(float x) {
    int32_t n;
    float y = x > 89.0f ? 89.0f : x;
    y = y < -20.0f ? -20.0f : y;
    const float q = gg_small_expm1f(gg_reducef(y, &n));
    const int32_t half = n >> 1;
    const float one = gg_power2f(half), two = gg_power2f(n - half);
    const float found = n < 100 ? GG_FMA(one * two, q, GG_FMA(one, two, -1.0f)) : (q + 1.0f) * one * two;
    return x == 0.0f ? x : found;
}
GG double gg_expm1(double x) {
    int64_t n;
    double y = x > 710.0 ? 710.0 : x;
    y = y < -40.0 ? -40.0 : y;
    const double q = gg_small_expm1(gg_reduce(y, &n));
    const int64_t half = n >> 1;
    const double one = gg_power2(half), two = gg_power2(n - half);
    const double found = n < 1000 ? GG_FMA(one * two, q, GG_FMA(one, two, -1.0)) : (q + 1.0) * one * two;
    return x == 0.0 ? x : found;
}

/* tanh(x) = e / (e + 2) with e = exp(2 x) - 1, of |x| */
GG float gg_tanhf(float x) {
    int32_t n;
    float y = fabsf(x);
    y = y > 10.0f ? 10.0f : y;
    const float q = gg_small_expm1f(gg_reducef(2.0f * y, &n)), power = gg_power2f(n);
    const float e = GG_FMA(power, q, power - 1.0f);
    return copysignf(e / (e + 2.0f), x);
}
GG double gg_tanh(double x) {
    int64_t n;
    double y = fabs(x);
    y = y > 20.0 ? 20.0 : y;
    const double q = gg_small_expm1(gg_reduce(2.0 * y, &n)), power = gg_power2(n);
    const double e = GG_FMA(power, q, power - 1.0);
    return copysign(e / (e + 2.0), x);
}

/* log(x) = n ln 2 + log(1 + f), 1 + f in [sqrt(1/2), sqrt(2)): with s = f / (2 + f) the logarithm is 2 atanh(s), whose series
   in s^2 is a polynomial by Chebyshev interpolation. f - (f^2/2 - s (f^2/2 + R)) loses less than 2 s + s R. */
GG float gg_logf(float x) {
    const bool tiny = x < 0x1p-126f;
    const float y = tiny ? x * 0x1p+23f : x;
    const int32_t bits = gg_bitsf(y), n = (bits - 0x3f3504f3) >> 23;
    const float f = gg_numberf((int32_t)((uint32_t)bits - ((uint32_t)n << 23))) - 1.0f;
    const float k = (float)n - (tiny ? 23.0f : 0.0f), s = f / (2.0f + f), z = s * s, half = 0.5f * f * f;
    float r = 0.23332763018723873f;
    r = GG_FMA(r, z, 0.28550736360765605f);
    r = GG_FMA(r, z, 0.40000122584977943f);
    r = GG_FMA(r, z, 0.6666666655358505f);
    r = GG_FMA(k, 0x1.62e4p-1f, f - (half - GG_FMA(s, GG_FMA(r, z, half), k * 0x1.7f7d1cp-20f)));
    r = x == INFINITY ? x : r;
    r = x == 0.0f ? -INFINITY : r;
    return x >= 0.0f ? r : (x != x ? x : NAN);
}
GG double gg_log(double x) {
    const bool tiny = x < 0x1p-1022;
    const double y = tiny ? x * 0x1p+52 : x;
    const int64_t bits = gg_bits(y), n = (bits - 0x3fe6a09e667f3bcd) >> 52;
    const double f = gg_number((int64_t)((uint64_t)bits - ((uint64_t)n << 52))) - 1.0;
    const double k = (double)n - (tiny ? 52.0 : 0.0), s = f / (2.0 + f), z = s * s, half = 0.5 * f * f;
    double r = 0.1308944522335484;
    r = GG_FMA(r, z, 0.1326850330531098);
    r = GG_FMA(r, z, 0.15386249788476108);
    r = GG_FMA(r, z, 0.18181795454521343);
    r = GG_FMA(r, z, 0.22222222393452676);
    r = GG_FMA(r, z, 0.28571428570795937);
    r = GG_FMA(r, z, 0.4000000000000089);
    r = GG_FMA(r, z, 0.6666666666666666);
    r = GG_FMA(k, 0x1.62e42feep-1, f - (half - GG_FMA(s, GG_FMA(r, z, half), k * 0x1.a39ef35793c76p-33)));
    r = x == INFINITY ? x : r;
    r = x == 0.0 ? -INFINITY : r;
    return x >= 0.0 ? r : (x != x ? x : NAN);
}

/* log1p: the logarithm of the rounded sum, and what rounding lost to first order. remainder, as NumPy's with the sign of the
   divisor, and the quotient that goes with it. */
#define GG_OF(real, f) \
    GG real gg_log1p##f(real x) { \
        const real sum = 1 + x, found = gg_log##f(sum) - ((sum - 1) - x) / sum; \
        return sum == 1 ? x : sum == 0 || sum == INFINITY ? gg_log##f(sum) : found; \
    } \
    GG real gg_logaddexp##f(real x, real y) { \
        const real larger = x > y ? x : y, gap = x > y ? y - x : x - y; \
        const real found = larger + gg_log1p##f(gg_exp##f(gap)); \
        return x == y ? x + (real)0x1.62e42fefa39efp-1 : (x != x || y != y ? x + y : found); \
    } \
    GG real gg_remainder##f(real x, real y) { \
        const real rest = fmod##f(x, y); \
        if (y == 0 || rest != rest) return rest; \
        return rest != 0 ? ((rest < 0) != (y < 0) ? rest + y : rest) : copysign##f(0, y); \
    } \
    GG real gg_floor_divide##f(real x, real y) { \
        if (y == 0) return x / y; \
        const real rest = fmod##f(x, y); \
        real found = (x - rest) / y; \
        if (rest != 0 && (rest < 0) != (y < 0)) found -= 1; \
        if (found == 0) return copysign##f(0, x / y); \
        const real whole = floor##f(found); \
        return found - whole > (real)0.5 ? whole + 1 : whole; \
    }
GG_OF(float, f)
GG_OF(double, )

#define $erfc(x) erfc(x)

/* Many steps. Of each argument, `size` bytes for each of `batch` rows of `data` are gathered in its array in `given`; the
   arrays of the results follow there, and each moves on by its `size` after a step. */
struct table;
#define GG_STEPS                                                                                                     \
    const struct table *table, char **given, const char *const *data, const int64_t *size, const int64_t *rows,      \
    int64_t *done, int64_t count, int64_t batch, int64_t arguments, int64_t results
GG_CALL int gg_many(int step(const struct table *, char *const *), GG_STEPS) {
    for (int64_t t = 0; t < count; t++) {
        const int64_t *const at = rows + t * batch;
        for (int64_t n = 0; n < arguments; n++) for (int64_t i = 0; i < batch; i++)
            memcpy(given[n] + i * size[n], data[n] + at[i] * size[n], (size_t)size[n]);
        const int code = step(table, given);
        if (code) return code;
        for (int64_t n = arguments; n < arguments + results; n++) given[n] += size[n];
        *done = t + 1;
    }
    return 0;
}
