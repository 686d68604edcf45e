// §4 over arrays. The numbers of the operations are their places in `unaryOperations` of src/kernels.ts.
import { minusOne, one, seluScale, seluScaleAlpha } from './constants';
import * as functions from './functions';
import { addressArgument, argument, argumentAddress } from './job';
import {
  above,
  below,
  choose,
  keep,
  larger,
  loadLanes,
  magnitude,
  nearestInteger,
  smaller,
  spread,
  storeLanes,
} from './lanes';
import { div, isNegative, isPositive, mul, negate, squareRoot, toValue } from './values';

// An operation is a class without instances: `over` is compiled once for each, with its function in the loop.
class Neg {
  of<T>(x: T, p: T, q: T): T {
    return negate<T>(x);
  }
}
class Abs {
  of<T>(x: T, p: T, q: T): T {
    return magnitude<T>(x);
  }
}
class Sign {
  of<T>(x: T, p: T, q: T): T {
    return choose<T>(isNegative<T>(x), spread<T>(minusOne), keep<T>(isPositive<T>(x), spread<T>(one)));
  }
}
class Floor {
  of<T>(x: T, p: T, q: T): T {
    return toValue<T>(below<T>(x));
  }
}
class Ceil {
  of<T>(x: T, p: T, q: T): T {
    return toValue<T>(above<T>(x));
  }
}
class Round {
  of<T>(x: T, p: T, q: T): T {
    return toValue<T>(nearestInteger<T>(x));
  }
}
class Square {
  of<T>(x: T, p: T, q: T): T {
    return mul<T>(x, x);
  }
}
class Sqrt {
  of<T>(x: T, p: T, q: T): T {
    return squareRoot<T>(x);
  }
}
class Rsqrt {
  of<T>(x: T, p: T, q: T): T {
    return functions.rsqrt<T>(x);
  }
}
class Reciprocal {
  of<T>(x: T, p: T, q: T): T {
    return div<T>(spread<T>(one), x);
  }
}
class Exp {
  of<T>(x: T, p: T, q: T): T {
    return functions.exp<T>(x);
  }
}
class Expm1 {
  of<T>(x: T, p: T, q: T): T {
    return functions.expm1<T>(x);
  }
}
class Log {
  of<T>(x: T, p: T, q: T): T {
    return functions.log<T>(x);
  }
}
class Log1p {
  of<T>(x: T, p: T, q: T): T {
    return functions.log1p<T>(x);
  }
}
class Sigmoid {
  of<T>(x: T, p: T, q: T): T {
    return functions.sigmoid<T>(x);
  }
}
class Tanh {
  of<T>(x: T, p: T, q: T): T {
    return functions.tanh<T>(x);
  }
}
class Erf {
  of<T>(x: T, p: T, q: T): T {
    return functions.erf<T>(x);
  }
}
class Softplus {
  of<T>(x: T, p: T, q: T): T {
    return functions.softplus<T>(x);
  }
}
class Gelu {
  of<T>(x: T, p: T, q: T): T {
    return functions.gelu<T>(x);
  }
}
class Relu {
  of<T>(x: T, p: T, q: T): T {
    return keep<T>(isPositive<T>(x), x);
  }
}
class Clip {
  of<T>(x: T, p: T, q: T): T {
    return smaller<T>(larger<T>(x, p), q);
  }
}
class Step {
  of<T>(x: T, p: T, q: T): T {
    return choose<T>(isPositive<T>(x), spread<T>(one), p);
  }
}
class LeakyRelu {
  of<T>(x: T, p: T, q: T): T {
    return choose<T>(isPositive<T>(x), x, mul<T>(p, x));
  }
}
class Elu {
  of<T>(x: T, p: T, q: T): T {
    return choose<T>(isNegative<T>(x), functions.expm1<T>(x), x);
  }
}
class Selu {
  of<T>(x: T, p: T, q: T): T {
    return choose<T>(
      isNegative<T>(x),
      mul<T>(spread<T>(seluScaleAlpha), functions.expm1<T>(x)),
      mul<T>(spread<T>(seluScale), x),
    );
  }
}

/** Applies an operation to the elements from `begin` to `end`. */
function over<Operation>(begin: i32, end: i32): void {
  const operation = changetype<Operation>(0);
  const p = argumentAddress(3);
  const q = argumentAddress(4);
  let out = addressArgument(1) + ((<usize>begin) << 2);
  let x = addressArgument(2) + ((<usize>begin) << 2);
  const last = out + ((<usize>(end - begin)) << 2);
  if (ASC_FEATURE_SIMD) {
    const p4 = spread<v128>(p);
    const q4 = spread<v128>(q);
    const whole = out + ((<usize>((end - begin) & ~3)) << 2);
    while (out < whole) {
      storeLanes<v128>(out, operation.of<v128>(loadLanes<v128>(x), p4, q4));
      out += 16;
      x += 16;
    }
  }
  while (out < last) {
    storeLanes<f32>(out, operation.of<f32>(loadLanes<f32>(x), spread<f32>(p), spread<f32>(q)));
    out += 4;
    x += 4;
  }
}

/** Arguments: 0 operation, 1 out, 2 x, 3 and 4 parameters. Units are elements. */
export function unary(begin: i32, end: i32): void {
  switch (argument(0)) {
    case 0:
      return over<Neg>(begin, end);
    case 1:
      return over<Abs>(begin, end);
    case 2:
      return over<Sign>(begin, end);
    case 3:
      return over<Floor>(begin, end);
    case 4:
      return over<Ceil>(begin, end);
    case 5:
      return over<Round>(begin, end);
    case 6:
      return over<Square>(begin, end);
    case 7:
      return over<Sqrt>(begin, end);
    case 8:
      return over<Rsqrt>(begin, end);
    case 9:
      return over<Reciprocal>(begin, end);
    case 10:
      return over<Exp>(begin, end);
    case 11:
      return over<Expm1>(begin, end);
    case 12:
      return over<Log>(begin, end);
    case 13:
      return over<Log1p>(begin, end);
    case 14:
      return over<Sigmoid>(begin, end);
    case 15:
      return over<Tanh>(begin, end);
    case 16:
      return over<Erf>(begin, end);
    case 17:
      return over<Softplus>(begin, end);
    case 18:
      return over<Gelu>(begin, end);
    case 19:
      return over<Relu>(begin, end);
    case 20:
      return over<Clip>(begin, end);
    case 21:
      return over<Step>(begin, end);
    case 22:
      return over<LeakyRelu>(begin, end);
    case 23:
      return over<Elu>(begin, end);
    case 24:
      return over<Selu>(begin, end);
  }
}
