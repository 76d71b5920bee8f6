#!/usr/bin/env bash
# The study on stickers and the detector that comes with vild, from a clean checkout.
#
#     pip install -e '.[tensorflow,stickers,train,evaluate]'   # tensorflow-cpu on a CPU
#     benchmarks/stickers.sh runs/stickers
#
# What is done is not done again, and what was cut off goes on. docs/study.md tells the
# hours that it takes.
set -euo pipefail
out=$(mkdir -p "${1:-runs/stickers}" && cd "${1:-runs/stickers}" && pwd)
cd "$(dirname "$0")/.."
export KERAS_BACKEND=${KERAS_BACKEND:-tensorflow}
work=$out/crops
budget=(steps=1000 optimizer.boundaries=600,850 save_every=125)
splits=(test-seen:300 test-unseen:300)

# A study that begins with what another has made.
beside() {
  mkdir -p "$2"
  for shared in rpn proposals embeddings start distilled-start; do
    [ ! -e "$1/$shared" ] || ln -sfn "$1/$shared" "$2/$shared"
  done
}

vild data stickers

# Begun with base concepts only; what distils, with crops of the store as well.
base=(--out "$out/base" --start "$out/base-start" --distilled-start "$out/distilled-start")
[ -d "$out/base-start" ] ||
  python benchmarks/fit_sticker_start.py --work "$work" --out "$out/base-start"
python benchmarks/stickers_study.py "${base[@]}" --rows rpn proposals regions
[ -d "$out/distilled-start" ] ||
  python benchmarks/fit_sticker_distilled.py --epochs 40 --work "$work" \
    --study "$out/base" --out "$out/distilled-start"
rows=(supervised supervised+novel text vild ensemble)
python benchmarks/stickers_study.py "${base[@]}" --rows "${rows[@]}" --set "${budget[@]}"
python benchmarks/stickers_study.py "${base[@]}" --rows "${rows[@]}" --measure "${splits[@]}"
python benchmarks/stickers_table.py --out "$out/base" --splits "${splits[@]}" \
  --chart "$out/study-base.svg"
python benchmarks/sticker_weights.py --model "$out/base/ensemble/detector"

# ViLD with another weight of distillation than 4; `val` chooses.
beside "$out/base" "$out/weight-16"
weighed=("${base[@]}" --out "$out/weight-16" --rows vild)
python benchmarks/stickers_study.py "${weighed[@]}" \
  --set "${budget[@]}" losses.distill_weight=16
python benchmarks/stickers_study.py "${weighed[@]}" --measure val:300 "${splits[@]}"
python benchmarks/stickers_study.py "${base[@]}" --rows vild --measure val:300
python benchmarks/stickers_table.py --out "$out/weight-16" --splits "${splits[@]}"
for found in "$out"/base/found/{text,ensemble}-test-*; do
  ln -sfn "$found" "$out/weight-16/found/"
done
python benchmarks/stickers_compare.py --out "$out/weight-16" --rows text vild ensemble \
  --splits "${splits[@]}"
for detector in base/start base/text/detector; do
  for split in val:300 train:100; do
    python benchmarks/sticker_names.py --model "$out/$detector" --split "$split"
  done
done

# Begun with the teacher's weights.
knowing=(--out "$out/knowing" --start "$out/teacher-start")
[ -d "$out/teacher-start" ] ||
  python benchmarks/fit_sticker_start.py --from-teacher --work "$work" \
    --out "$out/teacher-start"
python benchmarks/stickers_study.py "${knowing[@]}" --rows rpn proposals regions
rows=(text vild ensemble)
python benchmarks/stickers_study.py "${knowing[@]}" --rows "${rows[@]}" --set "${budget[@]}"
rows+=(crops text+crops)
python benchmarks/stickers_study.py "${knowing[@]}" --rows "${rows[@]}" \
  --measure "${splits[@]}"
python benchmarks/stickers_study.py "${knowing[@]}" --rows text vild ensemble crops --time
python benchmarks/stickers_compare.py --out "$out/knowing" \
  --rows crops text+crops text vild ensemble --splits "${splits[@]}"
if vild data stickers --splits test-photos; then
  python benchmarks/stickers_study.py "${knowing[@]}" --rows text vild ensemble crops \
    --measure test-photos:300
  splits+=(test-photos:300)
else
  echo "Without photos: they could not be fetched."
fi
python benchmarks/stickers_table.py --out "$out/knowing" --splits "${splits[@]}" \
  --chart "$out/study.svg"
for detector in start ensemble/detector; do
  python benchmarks/sticker_names.py --model "$out/knowing/$detector" --split val:300
done
python benchmarks/stickers_pictures.py --out "$out/knowing" --rows vild ensemble \
  --scenes test-seen/noto:{2,3,4} test-unseen/fluent-flat+fluent-3d:{0,1} \
  --save "$out/study-rows.webp"

# The detector that comes with vild: the same ensemble with more steps.
long=$out/long
beside "$out/knowing" "$long"
python benchmarks/stickers_study.py --out "$long" --start "$out/teacher-start" \
  --rows ensemble --set steps=2400 optimizer.boundaries=1500,2000
echo "To make it the bundled one: python benchmarks/bundle_stickers.py" \
  "$long/ensemble/detector --start 'the weights of the teacher'"

# What prompts, synonyms and other weights of the branches bring, asked of the detector
# that is bundled now.
python benchmarks/sticker_prompts.py --split val:300
python benchmarks/sticker_weights.py
