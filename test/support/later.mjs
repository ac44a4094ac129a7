// To be loaded before a program (node --import): its wall clock is AHEAD_MS ahead, whatever it asks it by.
const aheadMs = Number(process.env.AHEAD_MS)
const RealDate = Date

globalThis.Date = class extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(RealDate.now() + aheadMs)
    else super(...args)
  }

  static now() {
    return RealDate.now() + aheadMs
  }
}
