const weiDigits = 18;

/** Units of a token in whole tokens, exact, without zeros that say nothing: `1.5`, `0.350000000000000002`. */
export function wholeTokens(units: bigint, decimals: number): string {
  const sign = units < 0n ? '-' : '';
  const digits = String(units < 0n ? -units : units).padStart(decimals + 1, '0');
  const whole = digits.slice(0, digits.length - decimals);
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, '');
  return `${sign}${whole}${fraction === '' ? '' : `.${fraction}`}`;
}

/** Wei as ETH, exact. */
export function ether(wei: bigint): string {
  return wholeTokens(wei, weiDigits);
}

/** Wei as ETH rounded to nearest for reading: `9,999.6497`. Not for sums. */
export function roundedEther(wei: bigint, decimals = 4): string {
  const unit = 10n ** BigInt(weiDigits - decimals);
  const magnitude = wei < 0n ? -wei : wei;
  const rounded = (magnitude + unit / 2n) / unit;
  const digits = String(rounded).padStart(decimals + 1, '0');
  const whole = digits.slice(0, -decimals).replace(/\B(?=(\d{3})+$)/g, ',');
  return `${wei < 0n && rounded > 0n ? '-' : ''}${whole}.${digits.slice(-decimals)}`;
}

/** Wei as ETH with all 18 digits in groups, signed, so that a column of changes can be added up by eye. */
export function exactChange(wei: bigint): string {
  const sign = wei < 0n ? '-' : wei > 0n ? '+' : ' ';
  const digits = String(wei < 0n ? -wei : wei).padStart(weiDigits + 1, '0');
  return `${sign}${digits.slice(0, -weiDigits)}.${(digits.slice(-weiDigits).match(/\d{3}/g) ?? []).join(' ')}`;
}
